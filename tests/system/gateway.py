"""The gateway as a process."""

import json

from process import TAILGATE, WAIT, Program, tailgate, wait_for


class Gateway(Program):
    """`tailgate serve` on a bridge. Starts it and, unless told not to, waits until it serves."""

    def __init__(self, db, *options, settings=None, wait=True, prefix=(), program=TAILGATE,
                 log_format="json", **keywords):
        words = [*prefix, program, "serve", "--db", db, "--log-format", log_format]
        if "--log-level" not in options:  # tests wait for what `debug` tells of a query on its way
            words += ["--log-level", "debug"]
        words += options
        for key, value in (settings or {}).items():
            words += ["--set", f"{key}={value}"]
        super().__init__(words, **keywords)
        self.db = db
        if wait:
            self.wait_serving()

    def wait_serving(self, timeout=WAIT):
        return self.wait_event("serving", timeout)

    def status(self):
        """What the gateway itself says of it: `tailgate status` gives it 2 s, which a busy machine may need."""
        def told():
            assert self.running(), "the gateway has ended"
            done = tailgate("status", "--db", self.db, "--json")
            assert done.returncode == 0, done.stderr
            status = json.loads(done.stdout)
            return status if status["gateway"] else None
        return wait_for(told, "the gateway to answer `tailgate status`")
