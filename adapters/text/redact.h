/* Takes what looks like a secret out of a text: the bridge's eight rules (BRIDGE.md, "Redaction"),
 * in its order, each applied to what the one before it has left, with the results of Python's
 *     re.sub(pattern, word, text, flags=re.DOTALL)
 * on text in which white space and letter case are Unicode's. The only file that knows PCRE2.
 *
 * A plain text is redacted as the bridge would. In JSON the rules are applied to each string,
 * decoded, so that JSON stays JSON:
 *   - values, and elements of arrays;
 *   - a member whose name ends as a rule begins ("password", "api_key", "api-key", "apikey",
 * "secret", in any case, also as "db_password"): its string value is replaced as far as the rule on
 *     `name":"value` would reach into it, because in serialised text, to which the bridge applies
 * its rules, {"password": "hunter2"} is a match. What is not itself a string (a number, an array)
 * is left alone;
 *   - names that hold a match themselves (a map whose keys are access keys). Every other name keeps
 *     its bytes. Two names may become one this way; that is still JSON.
 * Numbers, order, white space and every string without a match keep their bytes.
 *
 * Time is linear in the text, whatever stands in it. If PCRE2 gives up nevertheless (its limits on
 * matching, depth and memory), or finds a text that is not UTF-8, the whole text, or JSON string,
 * becomes REDACT_FAILED: nothing is passed on that was not looked at. That is counted. */
#ifndef TAILGATE_ADAPTERS_TEXT_REDACT_H
#define TAILGATE_ADAPTERS_TEXT_REDACT_H

#include <stdint.h>

#include "proto/jrewrite.h"

#define REDACT_FAILED "REDACTION_FAILED"
#define REDACT_RULES 8

struct redact;

/* Compiles the rules; JIT: to machine code, where the system allows that. NULL when this PCRE2
 * cannot do it (it was built without Unicode). Belongs to one thread. */
struct redact *redact_new(bool jit);
void redact_destroy(struct redact **self);
/* Bounds PCRE2's work on one match to STEPS of its own counting, for tests of what follows. */
void redact_set_limit(struct redact *self, uint32_t steps);
/* Appends TEXT redacted, and returns the number of replacements, REDACT_FAILED being one. 0: TEXT
 * stands as it is, and nothing was appended. */
int redact_text(struct redact *self, struct span text, struct buffer *ret_text);
/* The same for valid JSON (jtext_check()). */
int redact_json(struct redact *self, struct span json, struct buffer *ret_json);
/* The same for jrewrite() and answer_compose(); borrows SELF. */
struct rewriter redact_rewriter(struct redact *self);
/* True when TEXT holds a word that a rule writes. */
bool redact_shows(struct span text);
/* Texts that became REDACT_FAILED so far; and one more, of somebody who gave up by himself. */
uint64_t redact_failures(const struct redact *self);
void redact_note_failure(struct redact *self);

/* For redact_stream.c: one rule, 0 to REDACT_RULES - 1, of which text comes bit by bit. Appends
 * what it makes of valid TEXT, which stands behind a match of the rule or where there is none, up
 * to the first byte from which on there is a match that TEXT's end cuts: *ret_kept bytes are left,
 * to be given again with more behind them. LAST: there will be none, and nothing is left. Returns
 * the number of replacements, or -1 when PCRE2 gave up (counted; RET_TEXT is then good for
 * nothing). */
int redact_rule(struct redact *self, size_t rule, struct span text, bool last,
                struct buffer *ret_text, size_t *ret_kept);

#endif
