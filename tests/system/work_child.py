"""A worker program. The question says what it does; the folder in argv is where it meets the test."""

import json
import os
import signal
import subprocess
import sys
import time

folder = sys.argv[1]
stopped = []


def note(name, text=""):
    with open(os.path.join(folder, name + ".part"), "w") as file:
        file.write(str(text))
    os.rename(os.path.join(folder, name + ".part"), os.path.join(folder, name))


def await_file(name):
    while not os.path.exists(os.path.join(folder, name)):
        time.sleep(0.01)


def say(answer):
    print(json.dumps(answer), flush=True)


for line in sys.stdin:
    query = json.loads(line)
    word, _, rest = query["question"].partition(" ")
    if word == "exit":
        sys.stdout.flush()
        os._exit(int(rest))
    elif word == "say":
        print(rest, flush=True)
    elif word == "blank":
        print("\n   \n\t\n" + rest, flush=True)
    elif word == "last":
        print(rest, end="", flush=True)
        os._exit(0)
    elif word == "cut":
        print(rest, end="", flush=True)
        os._exit(1)
    elif word == "shout":
        print(rest, file=sys.stderr, flush=True)
        say({"answer": "shouted"})
    elif word == "wait":
        note("waiting", os.getpid())
        await_file("go")
        say({"answer": rest})
    elif word == "hang":
        note("hanging", os.getpid())
        time.sleep(3600)
    elif word == "family":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleeper = subprocess.Popen([sys.executable, "-c", "import signal, time;"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(3600)"],
            stdout=subprocess.PIPE)
        sleeper.stdout.readline()
        note("family", f"{os.getpid()} {sleeper.pid}")
        time.sleep(3600)
    elif word == "endless":
        while True:
            sys.stdout.write("x" * 65536)
    elif word == "mute":
        sys.stdout.flush()
        os.close(1)
        note("hanging", os.getpid())
        time.sleep(3600)
    elif word == "twice":
        print("one\ntwo", flush=True)
    elif word == "later":
        stopped.append(query)
    elif word == "backwards":
        for old in reversed(stopped + [query]):
            say({"answer": old["question"], "delivery": {"token": old["delivery"]["token"]}})
        stopped.clear()
    elif word == "forwards":
        for old in stopped + [query]:
            say({"answer": old["question"]})
        stopped.clear()
    elif word == "self":
        status = dict(row.split(":\t", 1) for row in open("/proc/self/status") if ":\t" in row)
        listed = os.listdir("/proc/self/fd")  # the descriptor that lists is closed by now
        say({"answer": {"pid": os.getpid(), "group": os.getpgid(0),
                        "descriptors": sorted(int(fd) for fd in listed
                                              if os.path.exists("/proc/self/fd/" + fd)),
                        "blocked": int(status["SigBlk"], 16), "ignored": int(status["SigIgn"], 16)}})
    else:
        say({"answer": f"{os.getpid()}: {query['question']}"})
