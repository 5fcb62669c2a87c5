"""ms-swift's calling convention: `trainer_client.adapters.ms_swift`."""

import asyncio

import pytest

from tests.trainer_client.scripted import UNREADABLE
from trainer_client.adapters.ms_swift import PLUGINS

COLUMNS = {
    "problem_type": ["math"] * 4,
    "solution": ["4", "4", UNREADABLE, "4"],
    "prompt_id": ["a", "a", "a", "b"],
    "request_id": ["1", "2", "3", "4"],
    "messages": [[{"role": "user", "content": "2+2?"}]] * 4,
    "trainer_state": object(),
}


@pytest.fixture(params=PLUGINS)
def plugin(request, environment):
    """Either plugin as ms-swift makes and calls it; the asynchronous one in a loop of its own."""
    del environment
    instance = PLUGINS[request.param](args=None)
    if not asyncio.iscoroutinefunction(instance.__call__):
        return instance
    return lambda *args, **columns: asyncio.run(instance(*args, **columns))


def test_completions_are_scored_with_their_columns(server, plugin):
    """Each reward is a number; what was not scored has its group's mean."""
    assert plugin(["x", "xxx", "xxxxx", "xx"], **COLUMNS) == [1.0, 3.0, 2.0, 2.0]
    assert [item.get("group") for item in server.posts[0].json["items"]] == ["a", "a", "a", "b"]


def test_a_plugin_works_in_one_loop_after_another(plugin):
    """ms-swift opens a new event loop at every step."""
    for _ in range(3):
        assert plugin(["x", "xx", "x", "x"], **COLUMNS)[:2] == [1.0, 2.0]


def test_no_completions_have_no_rewards(plugin):
    """A rank without rollouts asks nothing."""
    assert plugin([]) == []
