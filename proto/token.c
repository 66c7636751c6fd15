#include "proto/token.h"

#include <assert.h>
#include <sodium.h>

#define LAYOUT_VERSION 1 /* of what is hashed; part of it, so that layouts never meet */
#define LAYOUT_SIZE (1 + 8 + 4 + TOKEN_DIGEST_SIZE)

static_assert(TOKEN_KEY_SIZE >= crypto_generichash_KEYBYTES_MIN, "key too short");
static_assert(TOKEN_KEY_SIZE <= crypto_generichash_KEYBYTES_MAX, "key too long");
static_assert(TOKEN_MAC_SIZE >= crypto_generichash_BYTES_MIN, "MAC too short");
static_assert(TOKEN_DIGEST_SIZE >= crypto_generichash_BYTES_MIN, "digest too short");

int token_init(void)
{
    return sodium_init() < 0 ? -1 : 0;
}

void token_key_new(struct token_key *ret_key)
{
    randombytes_buf(ret_key->bytes, sizeof ret_key->bytes);
}

/* Writes NUMBER little-endian into SIZE bytes. */
static void put_number(unsigned char *to, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)(number >> (8 * i));
}

static void hash_sized(crypto_generichash_state *state, struct span bytes)
{
    unsigned char size[8];
    put_number(size, bytes.size, sizeof size);
    crypto_generichash_update(state, size, sizeof size);
    crypto_generichash_update(state, (const unsigned char *)bytes.data, bytes.size);
}

void token_digest(struct span conversation_id, struct span text, struct token_digest *ret_digest)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof ret_digest->bytes);
    hash_sized(&state, conversation_id);
    hash_sized(&state, text);
    crypto_generichash_final(&state, ret_digest->bytes, sizeof ret_digest->bytes);
}

static void make_mac(const struct token_key *key, int64_t message_id, uint32_t attempt,
                     const struct token_digest *digest, unsigned char ret_mac[TOKEN_MAC_SIZE])
{
    unsigned char layout[LAYOUT_SIZE];
    layout[0] = LAYOUT_VERSION;
    put_number(layout + 1, (uint64_t)message_id, 8);
    put_number(layout + 9, attempt, 4);
    memcpy(layout + 13, digest->bytes, TOKEN_DIGEST_SIZE);
    crypto_generichash(ret_mac, TOKEN_MAC_SIZE, layout, sizeof layout, key->bytes,
                       sizeof key->bytes);
}

void token_sign(const struct token_key *key, int64_t message_id, uint32_t attempt,
                const struct token_digest *digest, struct token *ret_token)
{
    ret_token->message_id = message_id;
    ret_token->attempt = attempt;
    make_mac(key, message_id, attempt, digest, ret_token->mac);
}

/* Writes NUMBER in decimal digits; returns how many. */
static size_t put_decimal(char *to, uint64_t number)
{
    size_t size = 1;

    for (uint64_t rest = number; rest >= 10; rest /= 10)
        size++;
    for (size_t i = size; i > 0; i--, number /= 10)
        to[i - 1] = (char)('0' + number % 10);
    return size;
}

size_t token_make(const struct token_key *key, int64_t message_id, uint32_t attempt,
                  const struct token_digest *digest, char ret_text[TOKEN_SIZE])
{
    assert(message_id > 0 && attempt > 0);
    unsigned char mac[TOKEN_MAC_SIZE];
    char mac_text[TOKEN_MAC_TEXT_SIZE + 1];
    size_t size;

    make_mac(key, message_id, attempt, digest, mac);
    sodium_bin2base64(mac_text, sizeof mac_text, mac, sizeof mac,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    size = put_decimal(ret_text, (uint64_t)message_id);
    ret_text[size++] = '.';
    size += put_decimal(ret_text + size, attempt);
    ret_text[size++] = '.';
    memcpy(ret_text + size, mac_text, sizeof mac_text); /* with its NUL */
    return size + TOKEN_MAC_TEXT_SIZE;
}

bool token_verify(const struct token_key *key, const struct token *token,
                  const struct token_digest *digest)
{
    unsigned char mac[TOKEN_MAC_SIZE];
    make_mac(key, token->message_id, token->attempt, digest, mac);
    return sodium_memcmp(mac, token->mac, sizeof mac) == 0;
}
