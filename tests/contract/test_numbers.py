"""Numbers that JSON can hold and machines cannot, at every place where a request has one."""

import json
from urllib.parse import urlencode

import pytest

from rewards.registry import KINDS
from service.api.schemas.base import LAST_STEP
from tests.contract.document import current
from tests.e2e.running import running

NUMBERS = (
    *("-1", "1e308", "1e999", "9" * 400),
    *(str(number) for number in (2**63, 2**64, -(2**63) - 1)),
)
HERE = "the number goes here"
RUN = "numbers"
STEP = {"run": RUN, "step": 0, "rewards": [0, 1], "groups": ["g", "g"], "tasks": ["t", "t"]}
ITEM = {"kind": "ocr", "response": "<answer>a</answer>", "ground_truth": "a", "id": "1"}
MEDIA = {"video": {"frames": ["0" * 64], "fps": 2}}
STREAMED = {"items": [{**ITEM, "group": "g"}], "run": RUN, "step": 9, "scale": "ema"}
ROW = {"responses_create_params": {"top_p": 1}, "response": {"output": []}, **ITEM}
VERIFIED = {"reward": 1, "accuracy": 1, "format": 1, "structure": 1, "mask_sample": False}
BODIES = {
    "/reward": (
        {**STREAMED, "deadline_ms": 9000},
        {"items": [{**ITEM, "kind": "segmentation", "media_type": "video", "media": MEDIA}]},
    ),
    "/advantage": (
        {**STEP, "accuracy": [0, 1], "filter": {"low": 0.1, "high": 0.9}, "deadline_ms": 1},
        {**STEP, "step": 5, "shard": {"index": 0, "count": 2}, "deadline_ms": 1},
    ),
    "/runs/{run}/rewind": ({"step": 0, "expected_version": 1},),
    "/runs/{run}/close": ({"step": 9},),
    "/compat/openrlhf/get_reward": (
        {"query": ["a"], "prompts": ["a"], "labels": ["a"]},
        {"query": ["a"], "labels": [{"kind": "ocr", "ground_truth": [1]}]},
    ),
    "/compat/slime": ({"response": "a", "label": {**ITEM, "ground_truth": [1]}},),
    "/compat/nemo_gym/verify": (ROW,),
    "/compat/nemo_gym/aggregate_metrics": ({"verify_responses": [VERIFIED]},),
}
TRUTHS = (
    1,
    {"time": [0, 4], "boxes": {"1": [0, 0, 9, 9]}},
    {"time": 1, "boxes": [0, 0, 9, 9], "positive_points": [[1, 1]], "negative_points": [[2, 2]]},
)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service whose store knows numbers of 64 bits only."""
    store = tmp_path_factory.mktemp("numbers") / "runs.db"
    with running("--store", f"sqlite:{store}", "--worker-cpu-s", "1") as service:
        yield service
        assert service.logged("failed") == []


def places(value, put):
    """Every variant of a value in which one thing, whole or part, is replaced by a number."""
    yield put(HERE)
    if isinstance(value, dict):
        for name, part in value.items():
            yield from places(part, lambda new, name=name: put({**value, name: new}))
        yield put({**value, "unheard_of": HERE})
    elif isinstance(value, list):
        for at, part in enumerate(value):
            yield from places(part, lambda new, at=at: put([*value[:at], new, *value[at + 1 :]]))


def bodies(body):
    """Every variant of a body, with every number, as text."""
    for variant in places(body, lambda new: new):
        text = json.dumps(variant)
        for number in NUMBERS:
            yield text.replace(f'"{HERE}"', number).encode()


def asked(service, method, path, body=None, **query):
    """The answer, which must be no failure and hold no number that is not finite."""
    url = f"{service.url}{path.replace('{run}', RUN)}?{urlencode(query)}"
    answer = service.http.request(method, url, body=body)
    assert answer.status < 500 or answer.json()["retryable"], (method, path, query, body)
    if answer.data:
        json.loads(answer.data, parse_constant=pytest.fail)
    return answer


def a_run(service):
    """Make the run be there, at its first step."""
    asked(service, "DELETE", "/runs/{run}")
    assert asked(service, "POST", "/advantage", json.dumps(STEP).encode()).status == 200


def test_every_body_is_here():
    """A new route has its numbers tried as well."""
    paths = current()["paths"].items()
    posts = {path for path, methods in paths if "requestBody" in methods.get("post", {})}
    assert posts == set(BODIES)


@pytest.mark.promise(20)
@pytest.mark.parametrize("path", BODIES)
def test_no_number_of_a_body_fails_the_service(service, path):
    """Whatever number stands wherever: a verdict, or a refusal."""
    a_run(service)
    for body in BODIES[path]:
        statuses = {asked(service, "POST", path, each, kind="ocr").status for each in bodies(body)}
        assert 422 in statuses


@pytest.mark.promise(20)
@pytest.mark.promise(21)
@pytest.mark.parametrize("truth", TRUTHS, ids=["number", "frames", "masks"])
def test_no_number_of_a_truth_or_an_answer_fails_the_service(service, truth):
    """For every kind: the item has a verdict or none, and its neighbours have theirs."""
    good = {**ITEM, "id": "good"}
    for text in map(bytes.decode, bodies(truth)):
        items = [{**ITEM, "kind": kind.name, "ground_truth": truth} for kind in KINDS]
        said = [{**item, "response": f"<answer>{text}</answer>"} for item in items]
        body = json.dumps(
            {"items": [good, *({**item, "ground_truth": HERE} for item in items), *said]}
        )
        answer = asked(service, "POST", "/reward", body.replace(f'"{HERE}"', text).encode())
        if answer.status == 200:
            assert answer.json()["results"][0]["accuracy"] == 1.0


@pytest.mark.promise(20)
def test_no_number_of_a_state_fails_the_service(service):
    """Nor does the run that a state with such a number makes, at its next step."""
    a_run(service)
    step = json.dumps({**STEP, "step": LAST_STEP}).encode()
    state = asked(service, "GET", "/runs/{run}/state").json()
    for body in bodies(state):
        if asked(service, "PUT", "/runs/{run}/state", body, replace=True).status == 200:
            asked(service, "GET", "/runs/{run}")
            asked(service, "POST", "/advantage", step)


QUERIES = [
    pytest.param(method, path, parameter["name"], id=f"{method} {path}?{parameter['name']}")
    for path, methods in current()["paths"].items()
    for method, operation in methods.items()
    for parameter in operation.get("parameters", ())
    if parameter["in"] == "query" and parameter["schema"].get("type") in {"integer", "number"}
]


@pytest.mark.promise(20)
@pytest.mark.parametrize(("method", "path", "name"), QUERIES)
def test_no_number_of_a_query_fails_the_service(service, method, path, name):
    """The same for numbers in an address."""
    a_run(service)
    body = json.dumps(BODIES[path][0]).encode() if path in BODIES else None
    statuses = {
        asked(service, method.upper(), path, body, kind="ocr", **{name: number}).status
        for number in NUMBERS
    }
    assert 422 in statuses
