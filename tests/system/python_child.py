"""A worker on the Python library, whose function does what the question says: a verb and a word."""

import asyncio
import json
import logging
import os
import sys
import time

import tailgate

WHERE, KIND, SERVICE, OPTIONS, FOLDER = sys.argv[1:]


def begin(query):
    verb, _, word = query.question.partition(" ")
    with open(os.path.join(FOLDER, "begun"), "a") as file:
        file.write((word or verb).replace(" ", "_") + "\n")
    return verb, word


def may_go(word):
    return os.path.exists(os.path.join(FOLDER, word + ".go"))


def raises(verb, query):
    if verb == "fatal":
        raise tailgate.Fatal("it cannot be")
    if verb == "fail" or (verb == "fail-once" and query.attempt == 1):
        raise ValueError("a bad day")
    if verb == "give-back" and query.attempt == 1 and not may_go("given"):
        open(os.path.join(FOLDER, "given.go"), "w").close()
        raise tailgate.GiveBack("not now")
    if verb == "exit":
        sys.exit("enough")


def plain(query):
    verb, word = begin(query)
    raises(verb, query)
    if verb == "block":
        time.sleep(float(word))
    elif verb == "spin":
        end = time.monotonic() + float(word)
        while time.monotonic() < end:
            pass
    elif verb == "wait":
        while not may_go(word):
            time.sleep(0.01)
    elif verb == "until-cancelled":
        query.cancelled.wait()
    elif verb == "partials":
        for number in range(int(word)):
            query.partial(f"{number} ")
    return {"none": None, "list": [1, 2], "bytes": b"as it is", "sources": {"answer": "a", "sources": ["x:1-2"]},
            "json-text": '{"type":"error","error":"no"}', "surrogate": "\ud800!", "nan": float("nan"),
            "large": "x" * (17 << 20), "own-error": {"type": "error", "error": "mine", "retry": False},
            "about": {"answer": [query.service, query.message_id, query.attempt, query.query_id, query.metadata,
                                 (query.time_left or 0) > 60, query.conversation_id, sorted(query.raw), query.sender]}
            }.get(verb, word or verb)


def generator(query):
    verb, word = begin(query)
    yield "first "
    raises(verb, query)
    if verb == "wrong":
        yield 7
    if verb == "wait":
        while not may_go(word):
            time.sleep(0.01)
    if verb == "many":
        for number in range(int(word)):
            yield f"{number} "
    if verb == "endless":
        try:
            while True:
                time.sleep(0.02)
                yield "."
        finally:
            open(os.path.join(FOLDER, "closed.go"), "w").close()
    yield word
    if verb == "return":
        return {"answer": "the whole", "sources": ["y:3"]}


async def coroutine(query):
    verb, word = begin(query)
    raises(verb, query)
    if verb == "block":  # the loop itself
        time.sleep(float(word))
    while verb == "wait" and not may_go(word):
        await asyncio.sleep(0.01)
    if verb == "hang":
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            open(os.path.join(FOLDER, "cancelled.go"), "w").close()
            raise
    return word or verb


async def async_generator(query):
    verb, word = begin(query)
    yield "first "
    raises(verb, query)
    if verb == "many":
        for number in range(int(word)):
            yield f"{number} "
    while verb == "wait" and not may_go(word):
        await asyncio.sleep(0.01)
    yield word


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    functions = {"plain": plain, "generator": generator, "async": coroutine, "async generator": async_generator}
    child = tailgate.worker(SERVICE, **json.loads(OPTIONS))(functions[KIND])
    if "://" in WHERE:
        child.run(WHERE)
    else:
        child.run(db=WHERE)
    print("ended in peace", file=sys.stderr)
