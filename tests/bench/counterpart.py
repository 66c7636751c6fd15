"""The program behind an adapter in `adapters`: it answers at once. Asked "hang" it writes its process id to the file
NOTE and answers nothing; when that is there, it makes NOTE.again and answers.

    counterpart.py KIND NOTE [ARGUMENT]"""

import json
import os
import sys
import time


def reached(question):
    """The answer to QUESTION."""
    if question == "hang" and os.path.exists(note):
        open(note + ".again", "w").close()
    elif question == "hang":
        with open(note + ".part", "w") as file:
            file.write(str(os.getpid()))
        os.rename(note + ".part", note)
        time.sleep(3600)
    return {"answer": question}


def answered(line):
    """The line that answers LINE, with its delivery, which some adapters ask for."""
    query = json.loads(line)
    return json.dumps({**reached(query["question"]), "delivery": query.get("delivery")}) + "\n"


def lines():
    for line in sys.stdin:
        print(answered(line), end="", flush=True)


def tcp():
    import socket
    import threading

    def serve(link):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with link, link.makefile("rwb") as stream:
            for line in stream:
                stream.write(answered(line).encode())
                stream.flush()

    with socket.create_server(("127.0.0.1", int(argument))) as server:
        while True:
            threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


def fifo():
    os.makedirs(argument, mode=0o700, exist_ok=True)
    for name in ("queries", "answers"):
        if not os.path.exists(os.path.join(argument, name)):
            os.mkfifo(os.path.join(argument, name), 0o600)
    while True:
        with open(os.path.join(argument, "queries")) as queries, open(os.path.join(argument, "answers"), "w") as answers:
            print(file=answers, flush=True)
            for line in queries:
                if line.startswith("{"):
                    print(answered(line), end="", file=answers, flush=True)


def shm():
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "adapters", "python", "examples"))
    import shm_answerer
    shm_answerer.answer = lambda query: reached(query["question"])
    sys.argv[1:] = [argument]
    shm_answerer.main()


def http():
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body in one packet

        def do_POST(self):
            body = answered(self.rfile.read(int(self.headers["Content-Length"]))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("127.0.0.1", int(argument)), Handler).serve_forever()


def agent():
    """The streaming JSON mode of a CLI, as far as one turn needs it."""
    print(json.dumps({"type": "system", "subtype": "init", "session_id": "s1"}), flush=True)
    for line in sys.stdin:
        content = json.loads(line)["message"]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        answer = reached("hang" if "hang" in text else text)["answer"]
        print(json.dumps({"type": "result", "subtype": "success", "is_error": False, "result": answer,
                          "session_id": "s1"}), flush=True)


kind, note = sys.argv[1:3]
argument = sys.argv[3] if len(sys.argv) > 3 else None
{"lines": lines, "tcp": tcp, "fifo": fifo, "shm": shm, "http": http, "agent": agent}[kind]()
