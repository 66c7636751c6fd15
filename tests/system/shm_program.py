"""A program behind --shm, written from proto/WIRE.md, "Shared memory". The question says what it does; the folder in
argv is where it meets the test."""

import ctypes
import fcntl
import json
import mmap
import os
import struct
import sys
import time

name, folder = sys.argv[1:]
libc = ctypes.CDLL(None)
libc.sem_open.restype = ctypes.c_void_p
SIZE = 4096 + 2 * (1 << 20)
REQUEST_SEQ, DROPPED_SEQ, REQUEST_SIZE, RESPONSE_SEQ, RESPONSE_SIZE = 64, 72, 80, 128, 136


def note(what):
    with open(os.path.join(folder, what + ".part"), "w") as file:
        file.write(f"{os.getpid()} {number} {word(DROPPED_SEQ)}")
    os.rename(os.path.join(folder, what + ".part"), os.path.join(folder, what))


def await_file(what):
    while not os.path.exists(os.path.join(folder, what)):
        time.sleep(0.005)


def word(offset, form="=Q"):
    return struct.unpack_from(form, memory, offset)[0]


def put(offset, value, form="=Q"):
    struct.pack_into(form, memory, offset, value)


def attach():
    """The segment, when its worker is there and no other program."""
    while True:
        try:
            file = os.open("/dev/shm/" + name, os.O_RDWR)
            found = mmap.mmap(file, SIZE)
            fcntl.lockf(file, fcntl.LOCK_EX, 1, 1)
            pair = [ctypes.c_void_p(libc.sem_open(f"/{name}.{which}".encode(), 0)) for which in ("request", "response")]
            if found[:8] == b"TGSHM001" and all(pair):
                assert struct.unpack_from("=IIII", found, 8) == (4096, 1 << 20, 4096 + (1 << 20), 1 << 20)
                return file, found, pair
            os.close(file)
        except (FileNotFoundError, ValueError):
            pass
        time.sleep(0.02)


def respond(text, size=None):
    memory[4096 + (1 << 20):4096 + (1 << 20) + len(text)] = text
    put(RESPONSE_SIZE, len(text) if size is None else size, "=I")
    put(RESPONSE_SEQ, number)
    libc.sem_post(answered)


def act(question):
    what, _, rest = question.partition(" ")
    if what == "say":
        respond(rest.encode("utf-8", "surrogateescape"))
    elif what == "raw":
        respond(bytes.fromhex(rest))
    elif what == "size":
        respond(b"", int(rest))
    elif what == "large":
        respond(b'{"answer":"%s"}' % (b"x" * (int(rest) - 13)))
    elif what == "scribble":
        memory[:] = bytes([int(rest)]) * SIZE
        libc.sem_post(answered)
    elif what == "words":
        put(RESPONSE_SEQ, int(rest))
        libc.sem_post(answered)
        note("hanging")
        time.sleep(3600)
    elif what == "cut":
        os.truncate(file, int(rest))
        libc.sem_post(answered)
        note("hanging")
        time.sleep(3600)
    elif what == "hang":
        note("hanging")
        time.sleep(3600)
    elif what == "last":
        respond(json.dumps({"answer": rest}).encode())
        os._exit(0)
    elif what == "wait":
        note("waiting")
        await_file("go")
        note("going")
        respond(json.dumps({"answer": rest}).encode())
    elif what == "unlock":
        respond(b'{"answer":"unlocked"}')
        fcntl.lockf(file, fcntl.LOCK_UN, 1, 1)
        time.sleep(3600)
    else:
        respond(json.dumps({"answer": f"{os.getpid()}: {question}"}).encode())


while True:
    file, memory, (asked, answered) = attach()
    libc.sem_post(answered)
    while memory[:8] == b"TGSHM001":
        number = word(REQUEST_SEQ)
        if number == word(RESPONSE_SEQ):
            libc.sem_wait(asked)
        elif number == word(DROPPED_SEQ):
            respond(b"")
        else:
            act(json.loads(memory[4096:4096 + word(REQUEST_SIZE, "=I")])["question"])
    os.close(file)
