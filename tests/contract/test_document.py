"""Tests for the OpenAPI document: it says what is served, and changes only knowingly."""

import pytest

from service.api.openapi import PROBLEM_STATUS
from service.api.problems import STATUS
from tests.contract.document import COMMITTED, current, written

DOCUMENT = current()
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def references(node):
    """Every `$ref` in a part of the document."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_contract_changes_only_knowingly():
    """Whoever changes what callers see commits the new document, and a reviewer reads it."""
    assert written(DOCUMENT) == COMMITTED.read_text(encoding="utf-8"), (
        "the wire has changed: `python -m tests.contract.document` writes openapi.json anew"
    )


def test_every_reference_leads_somewhere():
    """Schemas read and written as bytes are in the document all the same, each once."""
    schemas = DOCUMENT["components"]["schemas"]
    used = {reference.rpartition("/")[2] for reference in references(DOCUMENT)}
    assert used <= set(schemas)
    assert "$defs" not in written(DOCUMENT)
    assert {"RewardRequest", "RewardItem", "RewardAnswer", "Problem"} <= used


def test_every_schema_is_used():
    """Nothing is documented that is not served, such as FastAPI's own error records."""
    used = {reference.rpartition("/")[2] for reference in references(DOCUMENT)}
    assert set(DOCUMENT["components"]["schemas"]) == used


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_an_operation_is_described(path, method, operation):
    """Each has a summary, a tag, a name, and an answer with a schema or without a body."""
    assert operation["tags"]
    assert operation["description"]
    assert operation["operationId"].replace("_", "").isalpha()
    [success] = [status for status in operation["responses"] if status.startswith("2")]
    assert "content" in operation["responses"][success] or success == "204", (path, method)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_failure_is_a_problem(path, method, operation):
    """No operation answers an error in any other form than RFC 9457's."""
    for status, response in operation["responses"].items():
        if not status.startswith("2"):
            assert list(response["content"]) == ["application/problem+json"], (path, method)


@pytest.mark.promise(9)
def test_every_status_of_the_table_can_be_documented():
    """A new error class with a new status brings a description along."""
    assert set(STATUS.values()) <= set(PROBLEM_STATUS)


def test_the_wire_contract_has_its_field_names():
    """The names that callers depend on, in their order."""
    schemas = DOCUMENT["components"]["schemas"]
    assert set(schemas["RewardRequest"]["properties"]) == {
        *("spec", "run", "deadline_ms", "items", "step", "scale")
    }
    assert schemas["RewardItem"]["required"] == ["kind", "response", "ground_truth"]
    assert list(schemas["RewardResult"]["properties"]) == [
        *("id", "status", "reward", "accuracy", "format", "structure"),
        *("parts", "scorer", "reason", "error", "scaled_reward"),
    ]
    assert list(schemas["ItemError"]["properties"]) == ["code", "retryable", "message"]
    for record in ("RewardRequest", "RewardItem"):
        assert schemas[record]["additionalProperties"] is False
