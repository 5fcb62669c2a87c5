"""Tests for `service.api.access`, over real sockets."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest
import urllib3
from fastapi.routing import APIRoute

from service.access.file import KeyFile
from service.access.keys import new_key
from service.api.access import ACCESS, OPEN
from service.api.app import COMPATIBILITY, CONTRACT

HOLDERS = {
    "scorer": new_key("scorer", ["reward"], ["job-*"]),
    "job": new_key("job", ["reward", "advantage"], ["job-1", "job-2"]),
    "other": new_key("other", ["reward", "advantage"], ["theirs-*"]),
    "landlord": new_key("landlord", ["admin"], ["job-*"]),
    "operator": new_key("operator", ["admin"], ["*"]),
}
ROUTES = [
    pytest.param(route, method, id=f"{method} {route.path}")
    for router in CONTRACT + COMPATIBILITY
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods
]
ITEM = {
    "kind": "ocr",
    "response": "<think>a</think><answer>the cat</answer>",
    "ground_truth": "the cat",
    "id": "1",
    "group": "g",
}


def bearer(holder):
    """The header that shows a key."""
    return {"Authorization": f"Bearer {HOLDERS[holder][0]}"}


def basic(holder, user="anybody"):
    """The header that HTTP clients make of a user and a password in a URL."""
    return urllib3.make_headers(basic_auth=f"{user}:{HOLDERS[holder][0]}")


@pytest.fixture
def keyed(service, running_app, tmp_path):
    """A service that asks for keys."""
    path = tmp_path / "keys.jsonl"
    path.write_text("".join(key.line() for _, key in HOLDERS.values()))
    app, _ = running_app
    app.state.container = replace(service.container, keys=KeyFile(path))
    return service


def step(run, number=0):
    """One step of a run."""
    columns = {"rewards": [0.0, 1.0], "groups": ["g", "g"], "tasks": ["t", "t"]}
    return {"run": run, "step": number, **columns}


def test_every_route_has_a_row():
    """The table names every route and nothing else, so that none is open by oversight."""
    assert {route.values[0].name for route in ROUTES} == set(ACCESS)
    assert {name for name, needed in ACCESS.items() if not needed} == {"livez", "readyz"}


@pytest.mark.parametrize(("route", "method"), ROUTES)
def test_without_a_key_a_route_is_closed(keyed, route, method):
    """Who shows no key, or a wrong one, gets 401 and a challenge; probes get their answer."""
    path = route.path.format(run="job-1", sha256="0" * 64, rollout="r")
    for headers in ({}, {"Authorization": "Bearer rsk_no"}, {"Authorization": "Basic YTpi"}):
        answer = keyed.get(path, method=method, headers=headers)
        if ACCESS[route.name] == OPEN:
            assert answer.status == 200
            continue
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        if method != "HEAD":
            assert answer.json()["code"] == "unauthenticated"


@pytest.mark.parametrize(("route", "method"), ROUTES)
def test_a_key_opens_what_its_scopes_say(keyed, route, method):
    """For every route and every key: 403 exactly where the table has none of its scopes."""
    path = route.path.format(run="job-1", sha256="0" * 64, rollout="r")
    needed = ACCESS[route.name]
    for holder in ("scorer", "job", "operator"):
        allowed = not needed or bool(needed & HOLDERS[holder][1].scopes)
        answer = keyed.get(path, method=method, headers=bearer(holder))
        assert (answer.status == 403) == (not allowed), holder
        assert answer.status != 401


@pytest.mark.parametrize("user", ["", "anybody", "job"])
def test_a_key_may_come_as_a_password(keyed, user):
    """A URL is all that some trainers can be told; whoever the user is, the key's scopes count."""
    assert keyed.post("/reward", {"items": [ITEM]}, **basic("scorer", user)).status == 200
    assert keyed.post("/advantage", step("job-1"), **basic("scorer", user)).status == 403
    assert keyed.post("/advantage", step("job-1"), **basic("job", user)).status == 200
    assert keyed.post("/advantage", step("job-1", 1), **basic("other", user)).status == 403


def test_a_url_is_all_that_a_stock_caller_needs(keyed):
    """OpenRLHF and slime post with aiohttp to a URL that they are given, and set no header."""
    sample = {"prompt": "", "response": ITEM["response"], "label": ITEM["ground_truth"]}

    async def post(user):
        url = f"http://{user}127.0.0.1:{keyed.port}/compat/slime?kind=ocr"
        async with aiohttp.ClientSession() as session, session.post(url, json=sample) as answer:
            return answer.status

    assert asyncio.run(post(f"x:{HOLDERS['scorer'][0]}@")) == 200
    assert asyncio.run(post(f"x:{HOLDERS['operator'][0]}@")) == 403
    assert asyncio.run(post("")) == 401


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Basic", id="nothing"),
        pytest.param("Basic !", id="no-base64"),
        pytest.param("Basic YWJj", id="no-colon"),
        pytest.param("Basic YTo=", id="empty"),
        pytest.param("Basic \xff", id="no-ascii"),
        pytest.param("Digest YTpi", id="other-scheme"),
    ],
)
def test_a_password_that_cannot_be_read_is_no_key(keyed, header):
    """The answer names both ways to show one."""
    answer = keyed.post("/reward", {"items": [ITEM]}, Authorization=header)
    assert (answer.status, answer.json()["code"]) == (401, "unauthenticated")
    assert "Basic" in answer.json()["detail"]
    assert ", Basic " in answer.headers["www-authenticate"]


def test_a_refusal_says_what_is_missing(keyed):
    """The code is stable, and the facts name the scopes that there are and that it takes."""
    answer = keyed.get("/runs/job-1", method="DELETE", headers=bearer("job"))
    problem = answer.json()
    assert (answer.status, problem["code"], problem["retryable"]) == (403, "forbidden", False)
    assert problem["facts"] == {"scopes": ["advantage", "reward"], "needed": ["admin"]}


def test_a_wrong_key_is_refused_before_the_body_is_read(keyed):
    """Nobody without a key keeps the service busy with a body."""
    with keyed.connect() as connection:
        head = b"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: 150000\r\n\r\n{"
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")
    keyed.wait_until(lambda: keyed.container.admission.usage()["held_bytes"] == 0)


def test_who_names_no_run_takes_turns_by_key(keyed):
    """Its name stands for the run, and is none that a run could have."""
    for run in ({}, {"run": "job-1"}):
        asked = {"items": [ITEM], **run}
        assert keyed.post("/reward", asked, **bearer("scorer")).status == 200
    assert keyed.engine.owners == ["key scorer", "job-1"]


@pytest.mark.promise(40)
def test_a_run_is_nobody_elses(keyed):
    """Another tenant's key can neither read, move, carry off, remove nor see a run."""
    assert keyed.post("/advantage", step("job-1"), **bearer("job")).status == 200
    before = keyed.get("/runs/job-1", headers=bearer("job")).data
    asked = [
        keyed.post("/advantage", step("job-1", 1), **bearer("other")),
        keyed.post("/runs/job-1/rewind", {"step": 0}, **bearer("other")),
        keyed.post("/runs/job-1/close", {"step": 0}, **bearer("other")),
        keyed.post(
            "/reward",
            {"items": [ITEM], "run": "job-1", "step": 1, "scale": "ema"},
            **bearer("other"),
        ),
        keyed.post("/reward", {"items": [ITEM], "run": "job-1"}, **bearer("other")),
        *(
            keyed.get(f"/runs/job-1{part}", headers=bearer("other"))
            for part in ("", "/history", "/state")
        ),
    ]
    assert {(answer.status, answer.json()["code"]) for answer in asked} == {(403, "forbidden")}
    missing = keyed.get("/runs/job-9", headers=bearer("other"))
    assert missing.json()["detail"] == "the key 'other' is not for run 'job-9'"
    assert keyed.get("/runs/job-1", headers=bearer("job")).data == before


def test_a_list_of_runs_has_only_ones_own(keyed):
    """Pages are full and follow each other, however many runs of others lie between."""
    names = ["job-1", "job-2", *(f"theirs-{number:02}" for number in range(20)), "zzz"]
    for name in names:
        holder = "job" if name.startswith("job") else "other"
        if name != "zzz":
            assert keyed.post("/advantage", step(name), **bearer(holder)).status == 200

    def listed(holder, query=""):
        page = keyed.get(f"/runs{query}", headers=bearer(holder)).json()
        return [run["run"] for run in page["runs"]], page["next"]

    assert listed("job") == (["job-1", "job-2"], None)
    assert listed("other", "?limit=3") == (names[2:5], "theirs-02")
    assert listed("other", "?limit=3&after=theirs-18") == (["theirs-19"], None)
    assert len(listed("operator")[0]) == 22


def test_metrics_are_for_keys_that_see_every_run(keyed):
    """They name the runs of every tenant; an operator of some runs does not get to know others."""
    refused = keyed.get("/metrics", headers=bearer("landlord"))
    assert (refused.status, refused.json()["facts"]) == (403, {"runs": ["job-*"]})
    assert keyed.get("/metrics", headers=bearer("operator")).status == 200


def test_scaling_rewards_moves_a_run_and_needs_the_scope_for_that(keyed):
    """A key that may only score cannot move the averages of a run through `/reward`."""
    asked = {"items": [ITEM], "run": "job-1", "step": 0, "scale": "ema"}
    assert keyed.post("/reward", asked, **bearer("scorer")).status == 403
    assert (
        keyed.post("/reward", {"items": [ITEM], "run": "job-1"}, **bearer("scorer")).status == 200
    )
    assert keyed.post("/reward", asked, **bearer("job")).status == 200


def test_without_keys_everybody_may_do_everything(service):
    """A service on a laptop asks for nothing, and takes no offence at a key."""
    assert service.post("/advantage", step("any"), Authorization="Bearer x").status == 200
    assert service.get("/runs/any", method="DELETE").status == 204
    assert service.get("/metrics").status == 200
