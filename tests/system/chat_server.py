"""An HTTP server that speaks as OpenAI's does, and plain JSON, with faults on demand; for tests and for showing.

    python3 chat_server.py [PORT [PAUSE]]       prints its base URL; PAUSE seconds before each word

POST …/chat/completions answers "You asked: <question>" word by word, and streams when it is asked to; any other
path answers a query in plain JSON. What a question that begins with "fault", or a model whose name begins with
"fault-", brings about instead stands in FAULTS: "fault rate 2", "fault-rate-2".
"""

import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *words):
        del words

    # ── frames ──

    def whole(self, status, body, media="application/json", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if media:
            self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def open_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, **members):
        self.chunk(b"data: %s\n\n" % json.dumps(members).encode())

    def piece(self, text, finish=None):
        self.event(model=self.model, choices=[{"index": 0, "delta": {"content": text}, "finish_reason": finish}])

    def close_stream(self, finish="stop", **counts):
        if finish:
            self.piece(None, finish)
        if counts:
            self.event(model=self.model, choices=[], usage={**counts, "prompt_tokens_details": None})
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def hang_up(self):
        self.close_connection = True
        self.connection.close() if self.server.tls else self.connection.shutdown(2)

    # ── answers ──

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.asked.append((dict(self.headers), json.loads(self.body), self.path))
            self.server.running += 1
            self.server.most = max(self.server.most, self.server.running)
        try:
            self.answer(json.loads(self.body))
        except OSError:
            self.close_connection = True  # whoever asked has gone
        finally:
            with self.server.lock:
                self.server.running -= 1

    def answer(self, request):
        self.chat = self.path.endswith("/chat/completions")
        self.model = request.get("model")
        self.question = request["messages"][-1]["content"] if self.chat else request.get("question", "")
        self.stream = bool(request.get("stream"))
        words = str(self.question).split()
        if words[:1] != ["fault"]:
            words = str(self.model).split("-")
        if words[0] == "fault" and len(words) > 1:
            FAULTS[words[1]](self, *words[2:])
        elif self.chat:
            self.say(f"You asked: {self.question}".split(" "))
        else:
            self.whole(200, {"answer": f"You asked: {self.question}", "sources": [], "query": request})

    def say(self, words, finish="stop"):
        counts = {"prompt_tokens": len(self.question.split()), "completion_tokens": len(words)}
        counts["total_tokens"] = sum(counts.values())
        if not self.stream:
            self.whole(200, {"model": self.model, "usage": counts, "choices": [
                {"index": 0, "message": {"content": " ".join(words)}, "finish_reason": finish}]})
            return
        self.open_stream()
        for number, word in enumerate(words):
            time.sleep(self.server.pause)
            self.piece(word if number == 0 else " " + word)
        self.close_stream(finish, **counts)

    # ── faults ──

    def rate(self, seconds="1", *_):
        """429 with Retry-After, once."""
        if self.server.once("rate"):
            self.whole(429, {"error": {"message": "too many requests"}}, Retry_After=seconds)
        else:
            self.say(["rested"])

    def rate_date(self, seconds="3", *_):
        if self.server.once("rate"):
            when = self.date_time_string(time.time() + int(seconds))
            self.whole(503, {"error": "overloaded"}, Retry_After=when)
        else:
            self.say(["rested"])

    def status(self, number, *words):
        self.whole(int(number), {"error": {"message": " ".join(words) or "no reason"}})

    def html(self, number="200", *_):
        self.whole(int(number), b"<html>\x1b[31m not for you</html>", "text/html")

    def echo_key(self, number="401", *_):
        """Repeats the Authorization header."""
        self.whole(int(number), {"error": {"message": "bad key: " + self.headers.get("Authorization", "")}})

    def tell_key(self, *_):
        """Answers with it, cut in two."""
        key = self.headers.get("Authorization", "")
        if not self.chat or not self.stream:
            self.chat_or_plain(key)
            return
        self.open_stream()
        for text in ("it is ", key[:-5], key[-5:], " indeed"):
            self.piece(text)
        self.close_stream()

    def chat_or_plain(self, text):
        if self.chat:
            self.say(text.split(" "))
        else:
            self.whole(200, {"answer": text})

    def redirect(self, *_):
        self.whole(307, b"", Location="http://elsewhere.example:81/secret/path?" + "x=y")

    def cut(self, *_):
        self.open_stream()
        self.piece("half an")
        self.hang_up()

    def early_end(self, *_):
        """A clean end of the stream that says neither why nor [DONE]."""
        self.open_stream()
        self.piece("half an")
        self.chunk(b"")

    def no_done(self, *_):
        self.open_stream()
        self.piece("all of it")
        self.piece(None, "stop")
        self.chunk(b"")

    def finish(self, reason, *_):
        self.say(["as", "far"], reason)

    def garbage(self, *_):
        self.open_stream()
        self.chunk(b"data: \x1b[31mno JSON\n\n")

    def stream_error(self, *_):
        self.open_stream()
        self.piece("begun ")
        self.event(error={"message": "the GPU is on fire", "code": 500})

    def huge(self, *_):
        """A line without end."""
        self.open_stream()
        while True:
            self.chunk(b"data: " + b"x" * (1 << 20))

    def huge_text(self, *_):
        self.open_stream()
        while True:
            self.piece("x" * (1 << 20))

    def huge_whole(self, *_):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.chunk(b" " * (1 << 20))

    def large(self, size, *_):
        self.chat_or_plain("x" * int(size))

    def hold(self, *_):
        """One word, and nothing more until the server is told to go on."""
        if self.stream:
            self.open_stream()
            self.piece("begun")
            self.server.go.wait(60)
            self.piece(" done")
            self.close_stream()
        else:
            self.server.go.wait(60)
            self.chat_or_plain("done")

    def slow(self, seconds="1", *_):
        self.server.ending.wait(float(seconds))
        self.chat_or_plain("slowly")

    def plain_completion(self, *_):
        """No stream, though one was asked for."""
        self.stream = False
        self.say(["at", "once"])

    def odd_lines(self, *_):
        """All that the framing of events allows."""
        self.open_stream()
        one = json.dumps({"choices": [{"delta": {"content": "grüße"}}]}, ensure_ascii=False).encode()
        two = b'data: {"choices":[{"delta":\r\ndata: {"content":" there"}}]}\r\n\r\n'
        for byte in b"\xef\xbb\xbf: hello\r\nevent: x\rid\rdata:" + one + b"\r\r" + two:
            self.chunk(bytes([byte]))
        self.close_stream()

    def text(self, *words):
        self.whole(200, " ".join(words).encode() + b" \xff", "text/plain; charset=utf-8")

    def array(self, *_):
        self.whole(200, ["no", "object"])

    def empty(self, *_):
        self.whole(204, b"", None)

    def problem(self, *_):
        self.whole(200, {"type": "error", "error": "model not loaded", "retry": False})


FAULTS = {name: getattr(Handler, name) for name in (
    "rate", "rate_date", "status", "html", "echo_key", "tell_key", "redirect", "cut", "early_end", "no_done", "finish",
    "garbage", "stream_error", "huge", "huge_text", "huge_whole", "large", "hold", "slow", "plain_completion",
    "odd_lines", "text", "array", "empty", "problem")}


class ChatServer(ThreadingHTTPServer):
    """Serves in threads of its own from when it is made until close()."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port=0, pause=0.0, certificate=None):
        self.pause = pause
        self.asked = []  # (headers, body, path) of every request
        self.running = self.most = 0
        self.lock = threading.Lock()
        self.go = threading.Event()
        self.ending = threading.Event()
        self.done_once = set()
        self.links = set()
        self.tls = certificate is not None
        super().__init__(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def base(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_port}"

    def once(self, what):
        """True the first time."""
        with self.lock:
            first = what not in self.done_once
            self.done_once.add(what)
            return first

    def process_request(self, request, client_address):
        with self.lock:
            self.links.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self.lock:
            self.links.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        del request, client_address  # whoever asked has gone

    def refuse(self):
        """Accepts no further connection; those that are there go on."""
        self.shutdown()
        self.server_close()

    def close(self):
        """As if it had been killed: nobody listens, and every connection is cut."""
        self.ending.set()
        self.go.set()
        self.refuse()
        with self.lock:
            links = list(self.links)
        for link in links:
            try:
                link.shutdown(2)
            except OSError:
                pass
        self.thread.join()


if __name__ == "__main__":
    server = ChatServer(*(cast(word) for cast, word in zip((int, float), sys.argv[1:])))
    print(server.base + "/v1", flush=True)
    server.thread.join()
