#!/usr/bin/env python3
"""A program that listens on TCP and answers what `tailgate work` asks it.

    python3 tcp_answerer.py 9999
    tailgate work --db bridge.db --tcp 127.0.0.1:9999

One JSON object on a line comes in, one goes out. By default there is a connection for each query; with --keep one
connection brings them all, and this program serves that, too. Connections that bring nothing are looks whether
somebody is here. Standard library only.
"""

import json
import socketserver
import sys


class Answerer(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:  # ends when the other side closes
            query = json.loads(line)
            answer = {"answer": f"You asked: {query['question']}", "delivery": query.get("delivery")}
            self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9999
    Server(("127.0.0.1", port), Answerer).serve_forever()
