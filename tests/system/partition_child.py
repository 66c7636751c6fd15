"""A worker program that writes down what it executes: "ROW ATTEMPT" a line, into the file in argv[1]. A question
"wait NAME" is answered when the file NAME is there."""

import json
import os
import sys
import time

log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
for line in sys.stdin:
    query = json.loads(line)
    os.write(log, b"%d %d\n" % (query["delivery"]["message_id"], query["delivery"]["attempt"]))
    word, _, name = query["question"].partition(" ")
    while word == "wait" and not os.path.exists(name):
        time.sleep(0.01)
    print(json.dumps({"answer": "re: " + query["question"]}), flush=True)
