/* The shared-memory segment of `tailgate work --shm`, byte for byte: WIRE.md, "Shared memory". What
 * the other side writes may change between two looks: load it once, check it, use the copy. */
#ifndef TAILGATE_PROTO_SHM_H
#define TAILGATE_PROTO_SHM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SHM_MAGIC UINT64_C(0x3130304d48534754) /* the bytes "TGSHM001" */
#define SHM_HEADER 4096u                       /* bytes before the first slot */
#define SHM_ROOM (1u << 20)                    /* bytes of each slot */
#define SHM_REQUEST SHM_HEADER                 /* where the slots begin */
#define SHM_RESPONSE (SHM_REQUEST + SHM_ROOM)
#define SHM_SIZE (SHM_RESPONSE + SHM_ROOM)

/* Bytes that are locked (fcntl) for as long as somebody is there. */
#define SHM_LOCK_WORKER 0
#define SHM_LOCK_PROGRAM 1

/* What does not change while the worker is there. */
struct shm_table {
    _Atomic uint64_t magic; /* written last; 0: the worker has left */
    uint32_t request_offset, request_room;
    uint32_t response_offset, response_room;
    uint32_t worker_pid, reserved;
};

struct shm_header {
    struct shm_table table;
    uint8_t gap[32];

    _Atomic uint64_t request_seq; /* the worker's, from here; written after size and text */
    _Atomic uint64_t dropped_seq; /* nobody waits for the answer to this one any more */
    _Atomic uint32_t request_size;
    uint8_t gap_request[44];

    _Atomic uint64_t response_seq; /* the program's, from here; written after size and text */
    _Atomic uint32_t response_size;
    uint8_t gap_response[52];
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the segment's numbers are little-endian");
_Static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4, "plain words");
_Static_assert(offsetof(struct shm_table, request_offset) == 8, "WIRE.md");
_Static_assert(offsetof(struct shm_table, response_offset) == 16, "WIRE.md");
_Static_assert(offsetof(struct shm_table, worker_pid) == 24, "WIRE.md");
_Static_assert(offsetof(struct shm_header, request_seq) == 64, "WIRE.md");
_Static_assert(offsetof(struct shm_header, dropped_seq) == 72, "WIRE.md");
_Static_assert(offsetof(struct shm_header, request_size) == 80, "WIRE.md");
_Static_assert(offsetof(struct shm_header, response_seq) == 128, "WIRE.md");
_Static_assert(offsetof(struct shm_header, response_size) == 136, "WIRE.md");
_Static_assert(sizeof(struct shm_header) == 192 && SHM_SIZE == 2101248, "WIRE.md");

#endif
