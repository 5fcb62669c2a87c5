"""`/runs` over a real socket."""

import pytest

from service.engine.log_check import verify_lines

LINES = {"Accept": "application/x-ndjson"}


def body_of(step, run="job"):
    """A step of a run, with rewards of its own."""
    return {
        "run": run,
        "step": step,
        "rewards": [step + 0.25, 0.5 / (step + 1), 0.125, 1.0],
        "groups": ["a", "a", "b", "b"],
        "tasks": ["math", "math", "ocr", "ocr"],
    }


@pytest.fixture
def job(service):
    """The answers to steps 0 to 4 of a run."""
    return [service.post("/advantage", body_of(step)).data for step in range(5)]


def put(service, path, body):
    """Send what was exported."""
    return service.get(path, method="PUT", body=body)


@pytest.mark.usefixtures("job")
def test_a_run_tells_where_it_stands(service):
    """Step, version, settings, moments and how far back one can go."""
    run = service.get("/runs/job").json()
    assert (run["run"], run["step"], run["state_version"], run["oldest_step"]) == ("job", 4, 5, 0)
    assert run["settings"]["estimator"] == "ema_grpo"
    assert run["tasks"]["math"]["updates"] == 5


def test_runs_are_paged_by_name(service):
    """`next` leads to the following page, and is null on the last."""
    for name in ("a", "b", "c"):
        service.post("/advantage", body_of(0, run=name))
    first = service.get("/runs?limit=2").json()
    assert ([run["run"] for run in first["runs"]], first["next"]) == (["a", "b"], "b")
    rest = service.get(f"/runs?limit=2&after={first['next']}").json()
    assert ([run["run"] for run in rest["runs"]], rest["next"]) == (["c"], None)


@pytest.mark.usefixtures("job")
def test_the_history_is_paged_by_step(service):
    """Each step with its version and the moments after it."""
    first = service.get("/runs/job/history?limit=3").json()
    assert [step["state_version"] for step in first["steps"]] == [1, 2, 3]
    rest = service.get(f"/runs/job/history?limit=3&after={first['next']}").json()
    assert [step["step"] for step in rest["steps"]] == [3, 4]
    assert rest["next"] is None


@pytest.mark.usefixtures("job")
def test_the_log_of_updates_can_be_fetched_and_proved(service):
    """As JSON lines, which the checker finds whole."""
    log = service.get("/runs/job/history", headers=LINES)
    assert log.headers["content-type"] == "application/x-ndjson"
    report = verify_lines(log.data.splitlines())
    assert (report.sound, report.updates) == (True, 5)


def test_a_rewound_run_answers_with_the_same_bytes(service, job):
    """Steps 2 to 4 taken anew are those of the first time."""
    back = service.post("/runs/job/rewind", {"step": 1})
    assert (back.status, back.json()["step"], back.json()["state_version"]) == (200, 1, 2)
    assert [service.post("/advantage", body_of(step)).data for step in (2, 3, 4)] == job[2:]


@pytest.mark.usefixtures("job")
def test_an_outdated_rewind_is_refused(service):
    """With the version it expects and the one there is."""
    refusal = service.post("/runs/job/rewind", {"step": 1, "expected_version": 4})
    assert (refusal.status, refusal.json()["code"]) == (409, "run_moved")
    assert refusal.json()["facts"] == {"state_version": 5, "expected_version": 4}


@pytest.mark.usefixtures("job")
def test_an_exported_run_goes_on_where_it_is_brought_in(service):
    """Under its own name after a wipe, and under another one beside it."""
    exported = service.get("/runs/job/state").data
    following = service.post("/advantage", body_of(5)).data
    assert service.get("/runs/job", method="DELETE").status == 204
    for name in ("job", "copy"):
        assert put(service, f"/runs/{name}/state", exported).status == 200
        assert service.post("/advantage", body_of(5, run=name)).data == following


@pytest.mark.usefixtures("job")
def test_a_run_is_not_replaced_by_accident(service):
    """409 without `replace=true`."""
    exported = service.get("/runs/job/state").data
    refusal = put(service, "/runs/job/state", exported)
    assert (refusal.status, refusal.json()["code"]) == (409, "run_exists")
    assert put(service, "/runs/job/state?replace=true", exported).json()["state_version"] == 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"schema_version":1', b'"schema_version":2'),
        (b'"estimator":"ema_grpo"', b'"estimator":"gae"'),
        (b'"variance":', b'"variance":-'),
        (b'"updates":5', b'"updates":0'),
        (b'"ema_decay":0.99', b'"ema_decay":1.99'),
    ],
)
@pytest.mark.usefixtures("job")
def test_a_state_that_cannot_be_is_not_brought_in(service, old, new):
    """A schema of the future, an unknown estimator, and moments that no step leads to."""
    exported = service.get("/runs/job/state").data
    assert old in exported
    refusal = put(service, "/runs/copy/state", exported.replace(old, new))
    assert refusal.status == 422
    assert service.get("/runs/copy").status == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/runs/nope", None),
        ("GET", "/runs/nope/history", None),
        ("GET", "/runs/nope/state", None),
        ("DELETE", "/runs/nope", None),
        ("POST", "/runs/nope/rewind", b'{"step": 1}'),
        ("POST", "/runs/nope/close", b'{"step": 1}'),
    ],
)
def test_an_unknown_run_is_not_found(service, method, path, body):
    """404 with its own code, whatever is asked."""
    refusal = service.get(path, method=method, body=body)
    assert (refusal.status, refusal.json()["code"]) == (404, "unknown_run")


def test_the_log_of_an_unknown_run_is_not_found(service):
    """As a problem, not as an empty log."""
    assert service.get("/runs/nope/history", headers=LINES).status == 404


@pytest.mark.parametrize("name", ["a%20b", "%7Bx%7D", "a" * 129, "a%0Ab"])
def test_a_name_that_cannot_be_is_refused(service, name):
    """Before any store hears of it."""
    assert service.get(f"/runs/{name}").status == 422


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "after=-2", "limit=x"])
@pytest.mark.usefixtures("job")
def test_a_page_that_cannot_be_is_refused(service, query):
    """422 for limits out of bounds."""
    assert service.get(f"/runs/job/history?{query}").status == 422
