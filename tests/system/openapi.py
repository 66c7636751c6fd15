"""proto/openapi.yaml as the tests use it: what it says an answer may be, and whether one is. As a program it
writes the document as JSON, which is proto/openapi.json:

    python3 tests/system/openapi.py > proto/openapi.json
"""

import json
import re
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

PROTO = Path(__file__).resolve().parents[2] / "proto"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Document:
    def __init__(self, tree=None):
        self.tree = tree or yaml.safe_load((PROTO / "openapi.yaml").read_text(encoding="utf-8"))
        self.seen = set()  # (operation, status) of every answer that was checked

    def follow(self, node):
        """What NODE is, or what its $ref names."""
        while isinstance(node, dict) and "$ref" in node:
            assert node["$ref"].startswith("#/"), f"{node['$ref']} is elsewhere"
            target = self.tree
            for part in node["$ref"][2:].split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def operations(self):
        """(path, method, operation, its parameters), each of them."""
        for path, item in self.tree["paths"].items():
            for method in METHODS:
                if method in item:
                    both = item.get("parameters", []) + item[method].get("parameters", [])
                    yield path, method, item[method], [self.follow(one) for one in both]

    def find(self, method, target):
        """(its path is there, the operation) for a request line."""
        path = target.split("?")[0]
        matching = [template for template in self.tree["paths"]
                    if re.fullmatch(re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(template)), path)]
        assert len(matching) <= 1, f"{path} is {matching}"
        if not matching:
            return False, None
        return True, self.tree["paths"][matching[0]].get(method.lower())

    def errors(self, schema, value):
        """What is wrong with VALUE, as sentences."""
        whole = {"allOf": [schema], "components": self.tree["components"]}
        return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in
                Draft202012Validator(whole).iter_errors(value)]

    def check_value(self, name, value):
        """VALUE is as the schema NAME under components has it."""
        wrong = self.errors({"$ref": f"#/components/schemas/{name}"}, value)
        assert not wrong, f"not a {name}: {wrong} in {value!r}"

    def declared(self, method, target, status):
        """The response object of an answer, and the operation's name."""
        known, operation = self.find(method, target)
        if operation is None:
            name = "MethodNotAllowed" if known else "NotFound"
            assert status == (405 if known else 404), f"{method} {target} is not described and got {status}"
            return self.tree["components"]["responses"][name], name
        assert str(status) in operation["responses"], f"{operation['operationId']} does not describe {status}"
        return self.follow(operation["responses"][str(status)]), operation["operationId"]

    def check_answer(self, method, target, status, headers, body):
        """The answer is one that the document describes: HEADERS a mapping that ignores case, BODY bytes or, of a
        stream that goes on, None."""
        response, name = self.declared(method, target, status)
        what = f"{method} {target}: {status} of {name}"
        for header, told in response.get("headers", {}).items():
            told = self.follow(told)
            value = headers.get(header)
            assert value is not None or not told.get("required"), f"{what} without {header}"
            wrong = value is not None and self.errors(told["schema"], value)
            assert not wrong, f"{what}, {header}: {wrong}"
        for header in ("Location", "Retry-After", "Idempotency-Replayed", "WWW-Authenticate", "Allow"):
            assert headers.get(header) is None or header in response.get("headers", {}), \
                f"{what} has {header}, which is not described"
        kind = (headers.get("Content-Type") or "").split(";")[0]
        assert kind in response["content"], f"{what} is {kind!r}"
        self.seen.add((name, status))
        if body is None:
            return
        text = body.decode("utf-8")
        value = json.loads(text) if kind.endswith("json") else text
        wrong = self.errors(response["content"][kind]["schema"], value)
        assert not wrong, f"{what}: {wrong} in {text[:2000]}"
        if kind == "application/problem+json":
            assert value["status"] == status, f"{what} says {value['status']}"


def as_json(tree):
    return json.dumps(tree, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    print(as_json(Document().tree), end="")
