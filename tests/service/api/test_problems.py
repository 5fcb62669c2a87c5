"""Tests for errors as callers get them."""

import pytest
from structlog.testing import capture_logs

from rewards.errors import ModelFailed, OutOfTime
from service.api.problems import pointer, problem_of
from service.errors import (
    Draining,
    Overloaded,
    ShardsMissing,
    StateUnavailable,
    StepConflict,
    TooLarge,
)

ONE_ITEM = {"items": [{"kind": "ocr", "response": "", "ground_truth": ""}]}


def test_a_problem_has_every_member(service):
    """All problems look the same, and are of the media type of RFC 9457."""
    answer = service.post("/reward", {"items": 1})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.pop("request_id") == answer.headers["x-request-id"]
    assert problem == {
        "type": "urn:reward-service:problem:invalid_request",
        "title": "The body does not fit the schema.",
        "status": 422,
        "detail": "/items: Input should be a valid array",
        "code": "invalid_request",
        "retryable": False,
        "errors": [{"pointer": "/items", "detail": "Input should be a valid array"}],
        "facts": {},
        "trace_id": None,
    }


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (Overloaded("full", retry_after_s=7), 429, "7"),
        (Draining("going"), 503, "1"),
        (StateUnavailable("away", retry_after_s=0), 503, "1"),
        (ShardsMissing("waiting", missing=[3]), 504, "1"),
        (ModelFailed("no answer"), 503, "1"),
        (OutOfTime("late"), 504, None),
        (StepConflict("two bodies"), 409, None),
        (TooLarge("too many", items=64), 413, None),
    ],
)
def test_an_error_of_the_engine_leaves_with_its_status(service, error, status, retry_after):
    """Whatever refuses a request, the status is the table's; busy ones say when to come back."""
    service.engine.error = error
    answer = service.post("/reward", ONE_ITEM)
    problem = answer.json()
    assert (answer.status, answer.headers.get("retry-after")) == (status, retry_after)
    assert (problem["status"], problem["code"]) == (status, error.code)
    assert problem["facts"] == getattr(error, "detail", {})


def test_a_defect_tells_the_caller_nothing_but_that_it_is_one(service):
    """An exception that nobody foresaw is a 500 without its message; the log has its place."""
    service.engine.error = ZeroDivisionError("the secret of p17")
    with capture_logs() as lines:
        answer = service.post("/reward", ONE_ITEM)
    assert (answer.status, answer.json()["code"]) == (500, "internal_error")
    assert b"secret" not in answer.data
    assert lines[0]["error"] == "ZeroDivisionError"
    assert "conftest.py" in lines[0]["frames"][-1]
    assert "secret" not in str(lines)
    assert service.get("/livez").status == 200


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/reward/", "/livez/x", "/%00", "/../etc/passwd"]
)
def test_an_unknown_path_is_a_problem_too(service, path):
    """404 is a problem, and nothing is redirected."""
    answer = service.get(path)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/reward", {"POST"}), ("/runs/a", {"GET", "DELETE"}), ("/docs", {"GET", "HEAD"})],
)
def test_a_wrong_method_names_the_right_ones(service, path, allowed):
    """405 is a problem, and its Allow header has every method of the path."""
    answer = service.get(path, method="PATCH")
    assert (answer.status, answer.json()["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_facts_that_are_no_json_do_not_stop_a_problem():
    """An error may carry any object as a fact; what JSON cannot hold is shown as text."""
    problem = problem_of(StepConflict("two", bodies={1, 2}))
    assert problem.facts == {"bodies": {1, 2}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [((), ""), (("a", 0), "/a/0"), (("~/",), "/~0~1"), (("",), "/")],
)
def test_pointers_are_escaped_as_in_rfc_6901(path, expected):
    """Tilde and slash have names of their own."""
    assert pointer(*path) == expected
