"""What a service manager is to the gateway: the socket that NOTIFY_SOCKET names (sd_notify(3))."""

import os
import socket

from process import environment, wait_for


class Manager:
    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(self.path)
        self.kept = []

    def environment(self, watchdog=None, **more):
        """That of a service; WATCHDOG in seconds."""
        if watchdog:
            more["WATCHDOG_USEC"] = str(int(watchdog * 1_000_000))
        return environment(NOTIFY_SOCKET=self.path, **more)

    def messages(self):
        """What was told until now, each as a dict."""
        while True:
            try:
                text = self.socket.recv(1 << 16).decode()
            except BlockingIOError:
                return self.kept
            self.kept.append(dict(line.split("=", 1) for line in text.splitlines()))

    def wait(self, since=0, **members):
        """Waits for a message with these members, from message SINCE on; a value ending in * is a beginning."""
        def is_wanted(message):
            return all(message.get(key, "").startswith(value[:-1]) if value.endswith("*")
                       else message.get(key) == value for key, value in members.items())
        return wait_for(lambda: next(filter(is_wanted, self.messages()[since:]), None), f"{members}; told: {self.kept[-5:]}")

    def beats(self):
        return sum("WATCHDOG" in message for message in self.messages())

    def close(self):
        self.socket.close()
        os.unlink(self.path)
