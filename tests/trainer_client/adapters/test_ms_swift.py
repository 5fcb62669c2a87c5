"""ms-swift's calling convention: `trainer_client.adapters.ms_swift`."""

import asyncio
from types import SimpleNamespace

import pytest

from tests.trainer_client.scripted import UNKNOWN, UNREADABLE
from trainer_client.adapters.ms_swift import PLUGINS

COLUMNS = {
    "problem_type": ["math"] * 4,
    "solution": ["4", "4", UNREADABLE, "4"],
    "prompt_id": ["a", "a", "a", "b"],
    "request_id": ["1", "2", "3", "4"],
    "messages": [[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "x"}]] * 4,
    "trainer_state": object(),
}


def make(name):
    """A plugin as ms-swift makes and calls it; the asynchronous one in a loop of its own."""
    plugin = PLUGINS[name](args=None)
    if not asyncio.iscoroutinefunction(plugin.__call__):
        return plugin
    return lambda *args, **columns: asyncio.run(plugin(*args, **columns))


@pytest.fixture(params=PLUGINS)
def plugin(request, environment):
    """Either plugin."""
    del environment
    return make(request.param)


def test_completions_are_scored_with_their_columns(server, plugin):
    """Each reward is a number; what was not scored has its group's mean."""
    assert plugin(["x", "xxx", "xxxxx", "xx"], **COLUMNS) == [1.0, 3.0, 2.0, 2.0]
    items = server.posts[0].json["items"]
    assert [item["group"] for item in items] == ["a", "a", "a", "b"]
    assert [item["prompt"] for item in items] == ["2+2?"] * 4


def test_a_plugin_works_in_one_loop_after_another(plugin):
    """ms-swift opens a new event loop at every step."""
    for _ in range(3):
        assert plugin(["x", "xx", "x", "x"], **COLUMNS)[:2] == [1.0, 2.0]


def test_bad_rows_end_no_job(plugin):
    """One bad row has no verdict, and neither has a batch of nothing else."""
    rows = COLUMNS | {
        "problem_type": ["math", UNKNOWN, "math", "math"],
        "solution": [*"44", None, "4"],
    }
    assert plugin(["x", "xx", "xx", "xx"], **rows) == [1.0, 1.0, 1.0, 2.0]
    assert plugin(["x"] * 4, **COLUMNS | {"problem_type": [UNKNOWN] * 4}) == [0.0] * 4


@pytest.mark.parametrize("name", PLUGINS)
def test_a_named_run_scales_the_rewards(server, environment, name):
    """Rollouts are known by their request, so that a retry counts none twice."""
    environment(run="job")
    columns = COLUMNS | {"trainer_state": SimpleNamespace(global_step=7)}
    scaled = make(name)(["x", "xxx", "xxxxx", "xx"], **columns)
    assert scaled == pytest.approx([0.1, 0.3, 0.2, 0.2])
    sent = server.posts[0].json
    assert (sent["run"], sent["step"], sent["scale"]) == ("job", 7, "ema")
    assert [item["id"] for item in sent["items"]] == ["1", "2", "3", "4"]


def test_no_completions_have_no_rewards(plugin):
    """A rank without rollouts asks nothing."""
    assert plugin([]) == []
