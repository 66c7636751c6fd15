#!/usr/bin/env python3
"""The smallest server that speaks as OpenAI's does, for `tailgate work --http`: put your model where answer() is.

    python3 chat_endpoint.py 8080
    tailgate work --db bridge.db --http http://127.0.0.1:8080/v1 --model mirror

It streams: each piece of the answer is one event, the counts come last, then [DONE].
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def answer(messages):
    """Yields the answer in pieces."""
    for word in messages[-1]["content"].split():
        yield word[::-1] + " "


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        count = 0
        for count, piece in enumerate(answer(request["messages"]), 1):
            self.event(request, choices=[{"index": 0, "delta": {"content": piece}}])
        self.event(request, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        self.event(request, choices=[], usage={"completion_tokens": count})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, request, **members):
        self.wfile.write(b"data: %s\n\n" % json.dumps({"model": request["model"], **members}).encode())


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with ThreadingHTTPServer(("127.0.0.1", port), Endpoint) as server:
        print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
        server.serve_forever()
