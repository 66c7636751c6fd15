#include <stdio.h>

#include "adapters/worker/options.h"
#include "proto/jtext.h"

/* "--tcp HOST:PORT", or "-- CMD ARG..."; who has no target needs the command. */
static void heading(const struct adapter *adapter, struct buffer *ret_text)
{
    if (adapter == &adapter_exec)
        buffer_text(ret_text, "-- CMD ARG...");
    else
        buffer_format(ret_text, "--%s%s%s%s", adapter->name, adapter->value ? " " : "",
                      adapter->value ? adapter->value : "",
                      !adapter->takes_command ? ""
                      : adapter->value        ? " [-- CMD ARG...]"
                                              : " -- CMD ARG...");
}

static void print_text(const struct adapter *adapter)
{
    struct buffer text;
    buffer_init(&text);
    heading(adapter, &text);
    printf("%-6s %s\n         %s\n", adapter->name, text.data, adapter->about);
    for (const struct adapter_option *option = adapter->options; option && option->name; option++) {
        buffer_reset(&text);
        buffer_format(&text, "--%s%s%s", option->name, option->value ? " " : "",
                      option->value ? option->value : "");
        printf("         %-24s %s\n", text.data, option->help);
    }
    buffer_done(&text);
}

static void add_json(const struct adapter *adapter, struct buffer *text)
{
    struct buffer usage, options;
    buffer_init(&usage);
    buffer_init(&options);
    heading(adapter, &usage);
    buffer_byte(&options, '[');
    for (const struct adapter_option *option = adapter->options; option && option->name; option++) {
        buffer_text(&options, option == adapter->options ? "{" : ",{");
        jtext_member(&options, "option", span_str(option->name));
        if (option->value)
            jtext_member(&options, "value", span_str(option->value));
        jtext_member(&options, "about", span_str(option->help));
        buffer_byte(&options, '}');
    }
    buffer_byte(&options, ']');
    buffer_byte(text, '{');
    jtext_member(text, "adapter", span_str(adapter->name));
    jtext_member(text, "usage", buffer_span(&usage));
    jtext_member(text, "about", span_str(adapter->about));
    if (adapter->slots_max > 0)
        jtext_member_integer(text, "slots_max", adapter->slots_max);
    jtext_member_raw(text, "options", buffer_span(&options));
    buffer_byte(text, '}');
    buffer_done(&options);
    buffer_done(&usage);
}

void options_list(bool json)
{
    struct buffer text;
    buffer_init(&text);
    for (size_t i = 0; adapter_table[i]; i++) {
        buffer_reset(&text);
        if (json)
            add_json(adapter_table[i], &text);
        else
            print_text(adapter_table[i]);
        if (json)
            printf("%s\n", text.data);
    }
    buffer_done(&text);
}
