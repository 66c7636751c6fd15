/* How time stays linear: no pattern can be begun twice over the same run of characters, and
 *   - possessive quantifiers leave nothing to go back to;
 *   - a private key's head without any end behind it ends the search ((*COMMIT)): there is none for
 * a later head either;
 *   - what is between head and end words is the run up to the next '-', so that it only has to end
 *     in "PRIVATE KEY" and to hold at least one character more, which makes 12;
 *   - without JIT, PCRE2's search for a first letter in both cases reads to the end of the text
 * each time, hence PCRE2_NO_START_OPTIMIZE there. PCRE2's \s is not Python's (U+180E; U+001C to
 * U+001F), nor is its i (U+0130, U+0131): both are spelled out. */
#include "adapters/text/redact.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <limits.h>
#include <pcre2.h>
#include <stdlib.h>

#include "proto/utf8.h"

#define RULES REDACT_RULES
#define LIMIT_STEPS (1u << 28) /* one match; a text of LIMIT_FRAME_SIZE needs a sixteenth of it */
#define LIMIT_NESTING 1000     /* no pattern nests */
#define LIMIT_HEAP_KIB 1024    /* nor has much to remember */
#define SHORTEST 8             /* bytes of the shortest match: Bearer x, apikey=x, secret=x */
#define KEPT_ROOM (1u << 20)   /* storage kept from one text to the next */
#define CUT 2                  /* find(): the end of the text cuts a match */

#define SPACE                                                                                      \
    "\\t-\\r\\x1c-\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}" \
    "\\x{3000}"
#define LINK "[\"" SPACE ":=]"         /* ["\s:=] */
#define VALUE LINK "+[^" SPACE "\"]++" /* ["\s:=]+[^\s"]+ */
#define IN_NAME LINK "*\\z"            /* what may stand behind the word in a name */
#define PASSWORD "(?i)password"
#define API_KEY "(?i)ap[i\\x{130}\\x{131}][_-]?key"
#define SECRET "(?i)secret"
#define KEY_WORDS "[^-]{12,}+(?<=PRIVATE KEY)-----"

static const struct {
    const char *pattern;
    const char *word; /* in its place */
    const char *name; /* a member's name that makes its value a match; NULL: none does */
} rules[RULES] = {
    {"AKIA[0-9A-Z]{16}", "AWS_KEY_REDACTED", NULL},
    {"-----BEGIN" KEY_WORDS "(*COMMIT).*?-----END" KEY_WORDS, "PRIVATE_KEY_REDACTED", NULL},
    {"Bearer [A-Za-z0-9\\-._~+/]++=*+", "BEARER_TOKEN_REDACTED", NULL},
    {PASSWORD VALUE, "PASSWORD_REDACTED", PASSWORD IN_NAME},
    {API_KEY VALUE, "API_KEY_REDACTED", API_KEY IN_NAME},
    {SECRET VALUE, "SECRET_REDACTED", SECRET IN_NAME},
    {"ghp_[A-Za-z0-9]{36}", "GITHUB_TOKEN_REDACTED", NULL},
    {"sk-[A-Za-z0-9]{48}", "OPENAI_KEY_REDACTED", NULL},
};

/* Of a value under such a name: VALUE, of which `":"` has been seen. */
#define UNDER_NAME "\\A" LINK "*[^" SPACE "\"]++"

struct redact {
    pcre2_code *rule[RULES];
    pcre2_code *name[RULES];
    pcre2_code *under_name;
    pcre2_match_data *match;
    pcre2_match_context *context;
    struct buffer work[2]; /* what a rule has made, in turn; they keep their storage */
    uint64_t failures;
};

static pcre2_code *compile(const char *pattern, bool jit)
{
    uint32_t options = PCRE2_UTF | PCRE2_DOTALL | (jit ? 0 : PCRE2_NO_START_OPTIMIZE);
    int error;
    size_t at;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);

    if (!code || !jit || pcre2_jit_compile(code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD) == 0)
        return code;
    pcre2_code_free(code);
    return compile(pattern, false);
}

static bool compile_all(struct redact *self, bool jit)
{
    bool whole = (self->under_name = compile(UNDER_NAME, jit)) != NULL;

    for (size_t i = 0; i < RULES; i++) {
        whole = (self->rule[i] = compile(rules[i].pattern, jit)) && whole;
        if (rules[i].name)
            whole = (self->name[i] = compile(rules[i].name, jit)) && whole;
    }
    return whole;
}

struct redact *redact_new(bool jit)
{
    struct redact *self = memory_zero(1, sizeof *self);

    self->match = pcre2_match_data_create(1, NULL);
    self->context = pcre2_match_context_create(NULL);
    if (!self->match || !self->context || !compile_all(self, jit)) {
        redact_destroy(&self);
        return NULL;
    }
    pcre2_set_match_limit(self->context, LIMIT_STEPS);
    pcre2_set_depth_limit(self->context, LIMIT_NESTING);
    pcre2_set_heap_limit(self->context, LIMIT_HEAP_KIB);
    return self;
}

void redact_destroy(struct redact **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < RULES; i++) {
        pcre2_code_free((*self)->rule[i]);
        pcre2_code_free((*self)->name[i]);
    }
    pcre2_code_free((*self)->under_name);
    pcre2_match_data_free((*self)->match);
    pcre2_match_context_free((*self)->context);
    buffer_done(&(*self)->work[0]);
    buffer_done(&(*self)->work[1]);
    free(*self);
    *self = NULL;
}

void redact_set_limit(struct redact *self, uint32_t steps)
{
    pcre2_set_match_limit(self->context, steps);
}

/* True when BYTE, as a letter of ASCII, is the small LETTER. */
static bool is_letter(char byte, char letter)
{
    return (byte | 0x20) == letter;
}

/* False when no rule can match in TEXT: each match holds one of the triples looked for here.
 * (Dotless and dotted i in "api" begin with 0xc4, the long s in "password" ends in 0xbf; no other
 * letter outside of ASCII stands at these places.) One look at each byte, where eight patterns
 * would look at it eight times; and most answers hold none of the words. */
static bool may_match(struct span text)
{
    const char *at = text.data;

    for (size_t i = 1; i + 1 < text.size; i++) {
        char before = at[i - 1], after = at[i + 1];
        bool hit = false;
        switch (at[i]) {
        case 'K': /* AKIA */
            hit = before == 'A' && after == 'I';
            break;
        case 'B': /* -----BEGIN */
            hit = before == '-' && after == 'E';
            break;
        case 'e': /* Bearer */
            hit = before == 'B' && after == 'a';
            break;
        case 'w':
        case 'W': /* password */
            hit = (is_letter(before, 's') || before == '\xbf') && is_letter(after, 'o');
            break;
        case 'p':
        case 'P': /* api_key */
            hit = is_letter(before, 'a') && (is_letter(after, 'i') || after == '\xc4');
            break;
        case 'c':
        case 'C': /* secret */
            hit = is_letter(before, 'e') && is_letter(after, 'r');
            break;
        case '_': /* ghp_ */
            hit = before == 'p';
            break;
        case 'k': /* sk- */
            hit = before == 's' && after == '-';
            break;
        default:
            break;
        }
        if (hit)
            return true;
    }
    return false;
}

/* Looks for CODE in TEXT from byte START on. Returns 1 and sets *ret_match, 0 when there is none,
 * -1 when PCRE2 gave up. With the OPTIONS PCRE2_PARTIAL_HARD: CUT, when more text could make a
 * match of what *ret_match is then, the end of TEXT. TEXT is valid UTF-8. */
static int find(struct redact *self, const pcre2_code *code, uint32_t options, struct span text,
                size_t start, struct span *ret_match)
{
    int code_or_count = pcre2_match(code, (PCRE2_SPTR)text.data, text.size, start,
                                    PCRE2_NO_UTF_CHECK | options, self->match, self->context);
    if (code_or_count == PCRE2_ERROR_NOMATCH)
        return 0;
    if (code_or_count < 0 && code_or_count != PCRE2_ERROR_PARTIAL)
        return -1;
    const size_t *at = pcre2_get_ovector_pointer(self->match);
    *ret_match = span_of(text.data + at[0], at[1] - at[0]);
    return code_or_count < 0 ? CUT : 1;
}

/* Appends TEXT up to the end of the last match of RULE, the matches replaced; *ret_done is that
 * end, *ret_open where a match begins that the end of TEXT cuts (OPTIONS as above), or that end.
 * Returns the number of replacements, or -1. */
static int replace(struct redact *self, size_t rule, uint32_t options, struct span text,
                   struct buffer *out, size_t *ret_done, size_t *ret_open)
{
    struct span match;
    int count = 0, found;

    *ret_done = 0;
    *ret_open = text.size;
    while ((found = find(self, self->rule[rule], options, text, *ret_done, &match)) == 1) {
        size_t start = (size_t)(match.data - text.data);
        buffer_add(out, span_of(text.data + *ret_done, start - *ret_done));
        buffer_text(out, rules[rule].word);
        *ret_done = start + match.size; /* no match is empty */
        count++;
    }
    if (found == CUT)
        *ret_open = (size_t)(match.data - text.data);
    return found < 0 ? -1 : count;
}

/* One rule: *text becomes what it makes of it, in OUT. Returns the number of replacements, or -1.
 */
static int apply(struct redact *self, size_t rule, struct span *text, struct buffer *out)
{
    size_t done, open;

    buffer_reset(out);
    int count = replace(self, rule, 0, *text, out, &done, &open);
    if (count > 0) {
        buffer_add(out, span_of(text->data + done, text->size - done));
        *text = buffer_span(out);
    }
    return count;
}

int redact_rule(struct redact *self, size_t rule, struct span text, bool last,
                struct buffer *ret_text, size_t *ret_kept)
{
    uint32_t options = last ? 0 : PCRE2_PARTIAL_HARD;
    size_t done, open;
    int count = replace(self, rule, options, text, ret_text, &done, &open);

    if (count < 0) {
        self->failures++;
        return -1;
    }
    buffer_add(ret_text, span_of(text.data + done, open - done));
    *ret_kept = text.size - open;
    return count;
}

/* The same for the start of a value whose member has a name that the rule wants. */
static int apply_name(struct redact *self, size_t rule, struct span name, struct span *text,
                      struct buffer *out)
{
    struct span match;
    int found = self->name[rule] ? find(self, self->name[rule], 0, name, 0, &match) : 0;

    if (found > 0)
        found = find(self, self->under_name, 0, *text, 0, &match);
    if (found <= 0)
        return found;
    buffer_reset(out);
    buffer_text(out, rules[rule].word);
    buffer_add(out, span_of(text->data + match.size, text->size - match.size));
    *text = buffer_span(out);
    return 1;
}

/* All rules. *text becomes what they make of it, in our work buffers. As apply(). */
static int apply_all(struct redact *self, struct span name, struct span *text)
{
    bool named = may_match(name);
    size_t turn = 0;
    int total = 0;

    if (!utf8_valid(name) || !utf8_valid(*text))
        return -1;
    for (size_t i = 0; i < RULES; i++) {
        int count = named ? apply_name(self, i, name, text, &self->work[turn]) : 0;
        if (count < 0)
            return -1;
        turn ^= count > 0;
        total += count;
        count = apply(self, i, text, &self->work[turn]);
        if (count < 0)
            return -1;
        turn ^= count > 0;
        total += count;
    }
    return total;
}

static int run(void *context, struct span name, struct span text, struct buffer *ret_text)
{
    struct redact *self = context;

    if ((text.size < SHORTEST || !may_match(text)) && !may_match(name))
        return 0;
    int count = apply_all(self, name, &text);
    if (count < 0) {
        self->failures++;
        buffer_text(ret_text, REDACT_FAILED);
        return 1;
    }
    if (count > 0)
        buffer_add(ret_text, text);
    for (size_t i = 0; i < 2; i++)
        if (self->work[i].room > KEPT_ROOM)
            buffer_done(&self->work[i]);
    return count;
}

int redact_text(struct redact *self, struct span text, struct buffer *ret_text)
{
    return run(self, span_of(NULL, 0), text, ret_text);
}

int redact_json(struct redact *self, struct span json, struct buffer *ret_json)
{
    const struct rewriter rewriter = redact_rewriter(self);
    return jrewrite(json, &rewriter, ret_json);
}

struct rewriter redact_rewriter(struct redact *self)
{
    const struct rewriter rewriter = {run, self};
    return rewriter;
}

bool redact_shows(struct span text)
{
    if (text.size == 0)
        return false;
    if (memmem(text.data, text.size, REDACT_FAILED, strlen(REDACT_FAILED)))
        return true;
    for (size_t i = 0; i < RULES; i++)
        if (memmem(text.data, text.size, rules[i].word, strlen(rules[i].word)))
            return true;
    return false;
}

void redact_note_failure(struct redact *self)
{
    self->failures++;
}

uint64_t redact_failures(const struct redact *self)
{
    return self->failures;
}
