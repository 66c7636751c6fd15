/* `tailgate keygen`: certificates of the gateway, and of those who connect to it. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "adapters/zmq/allow.h"
#include "gateway/command.h"
#include "gateway/terminal.h"
#include "proto/jtext.h"
#include "proto/message.h"
#include "proto/stamp.h"
#include "proto/utf8.h"

#define DAY_US INT64_C(86400000000)
#define DAYS_MOST 36500

static struct {
    const char *gateway, *name, *role, *allow, *show;
    struct cli_list services;
    int64_t days;
    bool json;
} option;

static const struct cli_option options[] = {
    {"gateway", 0, CLI_TEXT, &option.gateway, "DIR",
     "make the gateway's key and the folders of the allow-list in DIR, for serve --curve DIR", 0,
     0},
    {"role", 0, CLI_TEXT, &option.role, "worker|client|observer|operator",
     "what it may do at the gateway", 0, 0},
    {"name", 0, CLI_TEXT, &option.name, "NAME", "whose key it is", 0, 0},
    {"service", 0, CLI_LIST, &option.services, "SERVICE",
     "only this service, and others so named (default: all)", 0, 0},
    {"days", 0, CLI_INTEGER, &option.days, "N",
     "the key is let in for N days (default: until its certificate is taken out of the allow-list)",
     1, DAYS_MOST},
    {"allow", 0, CLI_TEXT, &option.allow, "DIR",
     "also put the public half into the allow-list in DIR", 0, 0},
    {"show", 0, CLI_TEXT, &option.show, "FILE", "print what the certificate FILE says", 0, 0},
    {"json", 0, CLI_FLAG, &option.json, NULL, "print one JSON object", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

/* A name stands in quotes in the file, and is a file's in the allow-list. */
static bool is_name(const char *name)
{
    struct span text = span_str(name);

    return text.size > 0 && text.size <= LIMIT_WORKER_NAME && utf8_valid(text) &&
           !utf8_has_control(text) && !strpbrk(name, "\"'/\\#") && name[0] != '.' &&
           name[text.size - 1] != '~';
}

static void print_json(const struct cert *cert, const char *file)
{
    char expires[STAMP_SIZE];
    struct buffer json;

    buffer_init(&json);
    buffer_byte(&json, '{');
    jtext_member(&json, "file", span_str(file));
    jtext_member(&json, "name", span_str(cert->name));
    jtext_member(&json, "role", span_str(cert->role));
    jtext_member(&json, "fingerprint", span_str(cert->fingerprint));
    jtext_member(&json, "public_key", span_str(cert->public_key));
    if (cert->expires_us)
        stamp_format(cert->expires_us, expires);
    if (cert->expires_us)
        jtext_member(&json, "expires", span_str(expires));
    else
        jtext_member_raw(&json, "expires", span_str("null"));
    buffer_text(&json, ",\"services\":[");
    for (size_t i = 0; i < cert->services; i++) {
        buffer_text(&json, i ? "," : "");
        jtext_quote(&json, span_str(cert->service[i]));
    }
    buffer_text(&json, "]}");
    printf("%s\n", json.data);
    buffer_done(&json);
}

static void print_human(const struct cert *cert, const char *file)
{
    char expires[STAMP_SIZE] = "never";
    struct buffer text;

    buffer_init(&text);
    terminal_quote(&text, file);
    buffer_format(&text, "\nname         ");
    terminal_quote(&text, cert->name);
    buffer_format(&text, "\nrole         ");
    terminal_quote(&text, cert->role);
    buffer_format(&text, "\nservices    ");
    for (size_t i = 0; i < cert->services; i++) {
        buffer_byte(&text, ' ');
        terminal_quote(&text, cert->service[i]);
    }
    if (cert->expires_us)
        stamp_format(cert->expires_us, expires);
    printf("certificate  %s%s\nexpires      %s%s\nfingerprint  %s\npublic key   %s\n", text.data,
           cert->services ? "" : " all", expires, cert->expires_us ? " UTC" : "", cert->fingerprint,
           cert->public_key);
    buffer_done(&text);
}

static int fail(const char *why)
{
    return cli_fail("keygen", CLI_FAILED, "%s", why);
}

static int show(void)
{
    char why[CERT_WHY_SIZE];
    struct cert cert;

    if (cert_load(option.show, false, &cert, why) < 0)
        return fail(why);
    if (option.json)
        print_json(&cert, option.show);
    else
        print_human(&cert, option.show);
    return CLI_OK;
}

static int make_folder(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return -1;
    return cli_fail("keygen", CLI_FAILED, "cannot make the folder %s: %s", path, strerror(errno));
}

/* Makes a key for CERT and writes it to FILE; says so, with NEXT behind it. */
static int make(struct cert *cert, const char *file, const char *next)
{
    char why[CERT_WHY_SIZE];
    int code = CLI_OK;

    if (cert_make(cert) < 0)
        code = fail("this libzmq has no CURVE");
    else if (cert_save(cert, file, why) < 0)
        code = fail(why);
    else if (option.json)
        print_json(cert, file);
    else {
        print_human(cert, file);
        printf("\n%s\n", next);
    }
    cert_wipe(cert);
    return code;
}

static int make_gateway(void)
{
    struct cert cert = {.role = "gateway"};
    struct buffer path;
    int code = make_folder(option.gateway);

    snprintf(cert.name, sizeof cert.name, "%s", option.name ? option.name : "gateway");
    buffer_init(&path);
    for (unsigned i = 0; i < ALLOW_ROLES && code < 0; i++) {
        buffer_reset(&path);
        buffer_format(&path, "%s/%s", option.gateway, allow_role_name(i));
        code = make_folder(path.data);
    }
    buffer_reset(&path);
    buffer_format(&path, "%s/gateway.cert", option.gateway);
    if (code < 0)
        code = make(&cert, path.data,
                    "Give gateway.cert (not gateway.cert_secret) to those who connect; put their "
                    "public\ncertificates into the folders of their roles; then: tailgate serve "
                    "--curve DIR");
    buffer_done(&path);
    return code;
}

static void allowed_path(struct buffer *ret_path)
{
    buffer_format(ret_path, "%s/%s/%s.cert", option.allow, option.role, option.name);
}

/* Before a key is made: one that cannot go into the allow-list would only be in the way. */
static int check_list(void)
{
    struct buffer path, folder;
    int code = -1;

    buffer_init(&path);
    buffer_init(&folder);
    allowed_path(&path);
    buffer_format(&folder, "%s/%s", option.allow, option.role);
    if (access(folder.data, W_OK | X_OK) < 0)
        code = cli_fail("keygen", CLI_FAILED,
                        "cannot add to the allow-list %s: %s (keygen --gateway DIR makes it)",
                        folder.data, strerror(errno));
    else if (access(path.data, F_OK) == 0)
        code = cli_fail("keygen", CLI_FAILED,
                        "cannot add %s to the allow-list: a key of that name is there; remove it "
                        "first",
                        path.data);
    buffer_done(&path);
    buffer_done(&folder);
    return code;
}

/* Whole or not at all, and never over another: the gateway reads the folder at any time. */
static int add_to_list(const struct cert *cert)
{
    struct buffer part, path;
    char why[CERT_WHY_SIZE];
    int code = CLI_OK;

    buffer_init(&part);
    buffer_init(&path);
    buffer_format(&part, "%s/%s/.%s.part", option.allow, option.role, cert->fingerprint);
    allowed_path(&path);
    if (cert_save_public(cert, part.data, why) < 0)
        code = fail(why);
    else if (link(part.data, path.data) < 0)
        code = cli_fail("keygen", CLI_FAILED, "cannot add %s to the allow-list: %s", path.data,
                        errno == EEXIST ? "a key of that name is there; remove it first"
                                        : strerror(errno));
    unlink(part.data);
    buffer_done(&part);
    buffer_done(&path);
    return code;
}

static int make_peer(const char *file)
{
    struct cert cert = {.name = ""};
    int code = option.allow ? check_list() : -1;

    if (code >= 0)
        return code;
    snprintf(cert.name, sizeof cert.name, "%s", option.name);
    snprintf(cert.role, sizeof cert.role, "%s", option.role);
    if (option.days)
        cert.expires_us = clock_utc_us() + option.days * DAY_US;
    for (size_t i = 0; i < option.services.count; i++) {
        const char *service = option.services.item[i];
        if (i == CERT_SERVICES || !message_service_ok(span_str(service)) ||
            strpbrk(service, " ,\"'\\#"))
            return cli_fail("keygen", CLI_USAGE,
                            "--service: at most %d names without blanks, commas and quotes",
                            CERT_SERVICES);
        snprintf(cert.service[cert.services++], sizeof cert.service[0], "%s", service);
    }
    code = make(&cert, file,
                option.allow ? "Its public half goes into the allow-list; copy the file and its "
                               "_secret to the peer, with\nthe gateway's gateway.cert."
                             : "Copy the public file (without _secret) into the gateway's "
                               "DIR/ROLE/ to let it in.");
    if (code == CLI_OK && option.allow)
        code = add_to_list(&cert);
    return code;
}

static int run(int argc, char **argv)
{
    int first, code = cli_parse(&cmd_keygen, options, argc, argv, &first);

    if (code >= 0)
        return code;
    if (option.show && first == argc)
        return show();
    if (option.name && !is_name(option.name))
        return cli_fail("keygen", CLI_USAGE,
                        "--name: 1 to %d bytes of UTF-8 without quotes, slashes, # and control "
                        "characters, that do not begin with a dot",
                        LIMIT_WORKER_NAME);
    if (option.gateway && option.days)
        return cli_fail("keygen", CLI_USAGE,
                        "--days is for the keys of peers: the gateway's own is known by what they "
                        "have of it");
    if (option.gateway && first == argc)
        return make_gateway();
    if (argc - first != 1 || !option.name || !option.role)
        return cli_fail("keygen", CLI_USAGE,
                        "say --gateway DIR, or --show FILE, or FILE --role ROLE --name NAME");
    if (!allow_role(option.role))
        return cli_fail("keygen", CLI_USAGE, "--role is worker, client, observer or operator");
    return make_peer(argv[first]);
}

const struct cli_command cmd_keygen = {
    .name = "keygen",
    .usage = "keygen --gateway DIR | --show FILE | FILE --role ROLE --name NAME [options]",
    .about = "make the keys by which the gateway and its peers know each other",
    .details = "Makes a CURVE key pair: FILE with the public half, FILE_secret with both, which "
               "only its owner can read. What is there is never overwritten.\n"
               "\n"
               "Examples:\n"
               "  tailgate keygen --gateway keys\n"
               "  tailgate keygen w1.cert --role worker --name w1 --service law --allow keys\n"
               "  tailgate serve --db bridge.db --curve keys --gate 'tcp://*:5555'\n",
    .run = run,
};
