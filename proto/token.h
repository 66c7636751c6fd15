/* The fencing token: a keyed MAC (BLAKE2b-128, libsodium crypto_generichash) over message id,
 * attempt, conversation id and a hash of the query's text. It says "this answer is for that attempt
 * of that row with that text", so it means nothing for another row or for a restored copy of the
 * file in which the id belongs to another question (invariant I5).
 *
 * On the wire it is text: "<message id>.<attempt>.<22 characters of base64url>". */
#ifndef TAILGATE_PROTO_TOKEN_H
#define TAILGATE_PROTO_TOKEN_H

#include <stdint.h>

#include "proto/span.h"

#define TOKEN_KEY_SIZE 32
#define TOKEN_DIGEST_SIZE 16
#define TOKEN_MAC_SIZE 16
#define TOKEN_MAC_TEXT_SIZE 22 /* characters of base64url that they make */
#define TOKEN_SIZE 64          /* bytes of the longest token or address text, its NUL included */
#define TOKEN_RAW ".raw"       /* behind the token in the client address of a raw request */
#define TOKEN_VIA ".via"       /* behind that, in an answer that a relay passes on (proto/via.h) */

struct token_key {
    unsigned char bytes[TOKEN_KEY_SIZE]; /* secret; lives in tailgate_meta */
};

/* What a query is, for its tokens: a hash of conversation id and stored text. */
struct token_digest {
    unsigned char bytes[TOKEN_DIGEST_SIZE];
};

struct token {
    int64_t message_id; /* > 0 */
    uint32_t attempt;   /* >= 1 */
    unsigned char mac[TOKEN_MAC_SIZE];
};

/* Readies libsodium; call once before anything else here. Returns 0, or -1 when it cannot start. */
int token_init(void);
/* Fills RET_KEY with random bytes. */
void token_key_new(struct token_key *ret_key);
/* Hashes the conversation id and the query's text as stored (length-prefixed, so that no two
 * different pairs collide by concatenation). */
void token_digest(struct span conversation_id, struct span text, struct token_digest *ret_digest);
/* Makes the token of one attempt. */
void token_sign(const struct token_key *key, int64_t message_id, uint32_t attempt,
                const struct token_digest *digest, struct token *ret_token);
/* Writes the token of one attempt; returns its length without the NUL. */
size_t token_make(const struct token_key *key, int64_t message_id, uint32_t attempt,
                  const struct token_digest *digest, char ret_text[TOKEN_SIZE]);
/* Reads the form of a token; says nothing about its validity. Returns 0, or -1 when TEXT is not
 * exactly one token (no sign, no leading zero, no padding, numbers in range). */
int token_parse(struct span text, struct token *ret_token);
/* Writes the client address of a raw REQUEST, `<token>.raw`, for the token text TOKEN, with a NUL.
 * Returns its length without the NUL. That of any other is the token itself. */
size_t token_raw_address(struct span token, char ret_address[TOKEN_SIZE]);
/* The same for what a relay passes on: `<address>.via`, for the ADDRESS that its worker sent back.
 */
size_t token_via_address(struct span address, char ret_address[TOKEN_SIZE]);
/* A client address as it was sent back. */
struct token_address {
    struct token token;
    bool raw; /* it is that of a raw REQUEST */
    bool via; /* a relay passes it on: the first frame of the body says for whom */
};
/* Reads a client address. Returns 0, or -1 when it is none (then *ret_address is untouched). */
int token_read_address(struct span address, struct token_address *ret_address);
/* True when TOKEN was made with KEY for a row with DIGEST (constant time). */
bool token_verify(const struct token_key *key, const struct token *token,
                  const struct token_digest *digest);

#endif
