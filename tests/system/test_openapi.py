"""proto/openapi.yaml is a document of OpenAPI 3.1: what every tool that reads it relies on. That the answers are as it
says is looked at with every answer that test_rest.py gets."""

import json
import re

import pytest
from jsonschema import Draft202012Validator

from openapi import PROTO, Document, as_json

DOCUMENT = Document()
OPERATIONS = list(DOCUMENT.operations())
NAMES = [operation["operationId"] for _, _, operation, _ in OPERATIONS]
# What OpenAPI 3.1.0 lets each object have (4.8 of it), as far as this document uses it.
MEMBERS = {
    "document": "openapi info servers tags paths components",
    "operation": "tags summary description operationId parameters requestBody responses security",
    "parameter": "name in description required schema example",
    "response": "description headers content",
    "header": "description required schema",
    "media type": "schema example examples",
    "components": "schemas responses parameters examples headers securitySchemes",
}


def walk(node, path=()):
    yield path, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        yield from walk(value, (*path, str(name)))


def only(what, node):
    foreign = set(node) - set(MEMBERS[what].split())
    assert not foreign, f"a {what} has no {foreign}"


def media_types():
    """(where, media type object), each of them."""
    for path, node in walk(DOCUMENT.tree):
        if path and path[-1] == "content":
            for kind, media in node.items():
                yield "/".join((*path, kind)), media


def schemas():
    """(where, schema), each that stands outside of another one."""
    for path, node in walk(DOCUMENT.tree):
        if path and path[-1] == "schema":
            yield "/".join(path), node
    for name, schema in DOCUMENT.tree["components"]["schemas"].items():
        yield name, schema


def test_it_says_which_openapi_it_is_and_for_what():
    only("document", DOCUMENT.tree)
    only("components", DOCUMENT.tree["components"])
    assert re.fullmatch(r"3\.1\.[0-9]+", DOCUMENT.tree["openapi"])
    assert DOCUMENT.tree["info"]["title"] and DOCUMENT.tree["info"]["version"]


def test_every_reference_is_there_and_every_component_is_referred_to():
    named = {node["$ref"] for _, node in walk(DOCUMENT.tree) if isinstance(node, dict) and "$ref" in node}
    for reference in named:
        DOCUMENT.follow({"$ref": reference})
    made = {f"#/components/{kind}/{name}" for kind, all_ in DOCUMENT.tree["components"].items()
            for name in all_ if kind != "securitySchemes"}
    # Told in prose: 405 is of no operation, and the data of events is of no media type.
    assert made - named == {"#/components/responses/MethodNotAllowed", "#/components/schemas/Row",
                            "#/components/schemas/End"}


def test_every_operation_has_a_name_of_its_own_and_says_what_it_answers():
    assert len(set(NAMES)) == len(NAMES) >= 6
    tags = {tag["name"] for tag in DOCUMENT.tree["tags"]}
    for _, _, operation, _ in OPERATIONS:
        only("operation", operation)
        assert operation["summary"] and set(operation["tags"]) <= tags
        statuses = list(operation["responses"])
        assert any(status.startswith("2") for status in statuses)
        assert all(re.fullmatch("[2-5][0-9][0-9]", status) for status in statuses)


def test_every_response_says_what_it_is():
    for path, node in walk(DOCUMENT.tree):
        if path[-1:] == ("responses",):
            for response in node.values():
                response = DOCUMENT.follow(response)
                only("response", response)
                assert response["description"] and response["content"]
                for header in response.get("headers", {}).values():
                    only("header", DOCUMENT.follow(header))


def test_every_error_is_a_problem_document():
    for _, _, operation, _ in OPERATIONS:
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(DOCUMENT.follow(response)["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("path, method, operation, parameters", OPERATIONS, ids=NAMES)
def test_the_parameters_are_those_of_the_path(path, method, operation, parameters):
    del method, operation
    for parameter in parameters:
        only("parameter", parameter)
        assert parameter["in"] in ("path", "query", "header") and parameter["schema"]
        assert parameter["in"] != "path" or parameter["required"] is True
    in_path = [parameter["name"] for parameter in parameters if parameter["in"] == "path"]
    assert sorted(in_path) == sorted(re.findall(r"\{(\w+)\}", path))


@pytest.mark.parametrize("operation", [operation for _, _, operation, _ in OPERATIONS], ids=NAMES)
def test_who_may_is_said_and_known(operation):
    known = DOCUMENT.tree["components"]["securitySchemes"]
    assert isinstance(operation["security"], list)
    assert all(set(one) <= set(known) for one in operation["security"])


def test_every_schema_is_one_of_json_schema_2020_12():
    found = list(schemas())
    assert len(found) > 30
    for where, schema in found:
        try:
            Draft202012Validator.check_schema(schema)
        except Exception as error:
            raise AssertionError(f"{where}: {error}") from error


def test_every_example_is_as_its_schema_says():
    count = 0
    for where, media in media_types():
        only("media type", media)
        for name, example in media.get("examples", {}).items():
            wrong = DOCUMENT.errors(media["schema"], DOCUMENT.follow(example)["value"])
            assert not wrong, f"{where}, {name}: {wrong}"
            count += 1
    assert count >= 15


def test_the_json_is_the_yaml():
    """Made by `python3 tests/system/openapi.py > proto/openapi.json`."""
    text = (PROTO / "openapi.json").read_text(encoding="utf-8")
    assert json.loads(text) == DOCUMENT.tree
    assert text == as_json(DOCUMENT.tree)


def test_the_problem_types_are_those_that_the_program_has():
    sources = "".join((PROTO.parent / "gateway" / name).read_text(encoding="utf-8")
                      for name in ("http.c", "http_stream.c", "http_rest_problem.c"))
    rows = re.findall(r'(?:\{|http_problem\(\w+, )\d{3}, "([a-z-]+)",\s+"', sources)
    assert len(rows) > 15
    told = DOCUMENT.tree["components"]["schemas"]["ProblemType"]["enum"]
    assert {f"https://tailgate.invalid/problems/{slug}" for slug in rows} == set(told)
