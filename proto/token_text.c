/* The form of a token: what a worker and its library need of it, without any secret and without
 * libsodium. */
#include "proto/token.h"

#include <assert.h>

/* Reads a decimal number from 1 to MAX without sign or leading zero, and the point behind it, at
 * *AT; moves *AT. Returns 0 when there is none. */
static uint64_t take_number(struct span text, size_t *at, uint64_t max)
{
    uint64_t number = 0;
    size_t i = *at;
    if (i < text.size && text.data[i] == '0')
        return 0;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (number > (max - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    if (i == text.size || text.data[i] != '.')
        return 0;
    *at = i + 1;
    return number;
}

/* The six bits that a letter of base64url stands for, or -1. */
static int six_bits(char letter)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *found = letter ? strchr(alphabet, letter) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

/* Reads a MAC's text; -1 unless it is the one spelling that encoding gives. What is read came over
 * the wire: there is nothing secret in how long that takes. */
static int read_mac(const char *text, unsigned char ret_mac[TOKEN_MAC_SIZE])
{
    uint32_t bits = 0;
    int held = 0;
    size_t size = 0;

    for (size_t i = 0; i < TOKEN_MAC_TEXT_SIZE; i++) {
        int six = six_bits(text[i]);
        if (six < 0)
            return -1;
        bits = bits << 6 | (uint32_t)six;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret_mac[size++] = (unsigned char)(bits >> held);
            bits &= (1u << held) - 1;
        }
    }
    return size == TOKEN_MAC_SIZE && bits == 0 ? 0 : -1;
}

int token_parse(struct span text, struct token *ret_token)
{
    struct token token;
    size_t at = 0;

    if (text.size >= TOKEN_SIZE)
        return -1;
    uint64_t message_id = take_number(text, &at, INT64_MAX);
    uint64_t attempt = message_id ? take_number(text, &at, UINT32_MAX) : 0;
    if (!message_id || !attempt || text.size - at != TOKEN_MAC_TEXT_SIZE)
        return -1;
    if (read_mac(text.data + at, token.mac) < 0)
        return -1;
    token.message_id = (int64_t)message_id;
    token.attempt = (uint32_t)attempt;
    *ret_token = token;
    return 0;
}

static size_t write_address(struct span text, const char *suffix, char ret_address[TOKEN_SIZE])
{
    size_t size = strlen(suffix) + 1;

    assert(text.size + size <= TOKEN_SIZE);
    memcpy(ret_address, text.data, text.size);
    memcpy(ret_address + text.size, suffix, size);
    return text.size + size - 1;
}

size_t token_raw_address(struct span token, char ret_address[TOKEN_SIZE])
{
    return write_address(token, TOKEN_RAW, ret_address);
}

size_t token_via_address(struct span address, char ret_address[TOKEN_SIZE])
{
    return write_address(address, TOKEN_VIA, ret_address);
}

/* Takes SUFFIX off the end of TEXT; false when it is not there. */
static bool take_suffix(struct span *text, const char *suffix)
{
    size_t size = strlen(suffix);

    if (text->size <= size || memcmp(text->data + text->size - size, suffix, size) != 0)
        return false;
    text->size -= size;
    return true;
}

int token_read_address(struct span address, struct token_address *ret_address)
{
    struct token_address read;

    read.via = take_suffix(&address, TOKEN_VIA);
    read.raw = take_suffix(&address, TOKEN_RAW);
    if (token_parse(address, &read.token) < 0)
        return -1;
    *ret_address = read;
    return 0;
}
