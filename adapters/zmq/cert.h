/* Certificates: a CURVE key pair with a name and what it may do, as czmq's zcert writes them: ZPL
 * (ZeroMQ RFC 4), FILE with the public key, and beside it FILE_secret (mode 0600), which has both.
 *
 *   metadata
 *       name = "w1"
 *       role = "worker"
 *       services = "law medicine"
 *       expires = "2027-01-31T00:00:00"
 *   curve
 *       public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
 *
 * The bytes of a file are hostile until they are read: bounded, and only a regular file is read. */
#ifndef TAILGATE_ADAPTERS_ZMQ_CERT_H
#define TAILGATE_ADAPTERS_ZMQ_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define CERT_KEY_SIZE 32         /* bytes of a CURVE key */
#define CERT_TEXT_SIZE 41        /* of its text in Z85, the NUL included */
#define CERT_FINGERPRINT_SIZE 33 /* BLAKE2b-128 of a public key in lower-case hex, NUL included */
#define CERT_FILE_MAX 65536      /* bytes of a file */
#define CERT_SERVICES 32         /* services that one certificate names, at most */
#define CERT_WHY_SIZE 300

struct cert {
    char public_key[CERT_TEXT_SIZE]; /* Z85 */
    char secret_key[CERT_TEXT_SIZE]; /* Z85; "" when it was not asked for */
    char fingerprint[CERT_FINGERPRINT_SIZE];
    char name[LIMIT_WORKER_NAME + 1]; /* "" when the file gives none */
    char role[16];                    /* the same; "worker", "client", "observer", "operator",
                                       * "gateway" */
    char service[CERT_SERVICES][LIMIT_SERVICE + 1];
    size_t services;    /* 0: all */
    int64_t expires_us; /* when it ends, UTC (a stamp, proto/stamp.h); 0: never. Whoever lets a key
                         * in looks at it: a certificate is read all the same */
};

/* Reads FILE, or (SECRET) FILE_secret, which nobody but its owner may be able to read; where that
 * is root, a group may, too (as with the credentials of systemd). Returns 0, or -errno (EINVAL: it
 * is no certificate) and a sentence without full stop in RET_WHY (it names the file); *ret_cert is
 * untouched then. */
int cert_load(const char *path, bool secret, struct cert *ret_cert, char ret_why[CERT_WHY_SIZE]);
/* Makes a fresh key pair into the keys and the fingerprint of CERT. Returns 0, or -1 when libzmq
 * has no CURVE. */
int cert_make(struct cert *cert);
/* Writes FILE (0644) and FILE_secret (0600); what is there is never overwritten. Returns 0, or -1
 * and RET_WHY as above; nothing is left behind then. */
int cert_save(const struct cert *cert, const char *path, char ret_why[CERT_WHY_SIZE]);
/* The public FILE alone. */
int cert_save_public(const struct cert *cert, const char *path, char ret_why[CERT_WHY_SIZE]);
/* The fingerprint of PUBLIC_KEY, 32 bytes. */
void cert_fingerprint(const unsigned char public_key[CERT_KEY_SIZE],
                      char ret_text[CERT_FINGERPRINT_SIZE]);
/* Overwrites the secret. */
void cert_wipe(struct cert *cert);

#endif
