#!/usr/bin/env python3
"""A program that is reached through shared memory: one query and one answer at a time, no socket and no pipe.

    tailgate work --db bridge.db --shm answers &
    python3 shm_answerer.py answers

Put your own program in the place of answer(). Either side may be started first, be killed and come back. The bytes
are described in WIRE.md, "Shared memory". Standard library only; the two semaphores are those of the C library.
"""

import ctypes
import fcntl
import json
import mmap
import os
import sys
import time

MAGIC, SIZE = 0x3130304D48534754, 2101248
LIBC = ctypes.CDLL(None)
LIBC.sem_open.restype = ctypes.c_void_p


class Header(ctypes.LittleEndianStructure):
    _fields_ = [("magic", ctypes.c_uint64), ("request_offset", ctypes.c_uint32), ("request_room", ctypes.c_uint32),
                ("response_offset", ctypes.c_uint32), ("response_room", ctypes.c_uint32), ("gap", ctypes.c_byte * 40),
                ("request_seq", ctypes.c_uint64), ("dropped_seq", ctypes.c_uint64), ("request_size", ctypes.c_uint32),
                ("gap_request", ctypes.c_byte * 44),
                ("response_seq", ctypes.c_uint64), ("response_size", ctypes.c_uint32)]


def answer(query):
    return {"answer": f"You asked: {query.get('question')}", "llm_type": "shm_answerer"}


def semaphore(name):
    """The semaphore NAME; false when there is none."""
    return ctypes.c_void_p(LIBC.sem_open(name.encode(), 0))


def serve(file, name):
    """Answers until the worker has left."""
    memory = mmap.mmap(file, SIZE)
    fcntl.lockf(file, fcntl.LOCK_EX, 1, 1)  # says that we are there; a second program waits here for our end
    header = Header.from_buffer(memory)
    asked, answered = semaphore(f"/{name}.request"), semaphore(f"/{name}.response")
    if header.magic != MAGIC or not asked or not answered:
        return  # it is just coming or going
    LIBC.sem_post(answered)  # so that the worker looks now
    while header.magic == MAGIC:
        number = header.request_seq
        if number == header.response_seq:
            LIBC.sem_wait(asked)  # it only wakes: the numbers say whether there is something to do
            continue
        text = b""  # no answer, for a query that nobody waits for any more
        if number != header.dropped_seq:
            begin = header.request_offset
            text = json.dumps(answer(json.loads(memory[begin:begin + header.request_size]))).encode()
        if len(text) <= header.response_room:
            memory[header.response_offset:header.response_offset + len(text)] = text
        header.response_size = len(text)
        header.response_seq = number  # last: now it counts
        LIBC.sem_post(answered)
    LIBC.sem_close(asked)
    LIBC.sem_close(answered)


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    name = sys.argv[1].lstrip("/")
    while True:
        try:
            file = os.open(f"/dev/shm/{name}", os.O_RDWR)
        except FileNotFoundError:
            time.sleep(0.2)  # no worker yet
            continue
        facts = os.fstat(file)
        if facts.st_uid != os.getuid():
            sys.exit(f"shm_answerer.py: /dev/shm/{name} is somebody else's")
        if facts.st_size == SIZE:
            serve(file, name)
        os.close(file)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
