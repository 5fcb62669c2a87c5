"""Tests for `rewards.backends.polar_transformers.model`."""

import asyncio
import json
import time

import pytest
import torch

from rewards.backends.polar_transformers.model import PolarOptions, PolarTransformers
from rewards.errors import BadModel, ModelFailed, OutOfTime
from rewards.ports import Comparison
from tests.polar_checkpoints import RandomPolar

POLAR = RandomPolar(layers=2)
QUESTION = "What is the capital of China?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint as it would be published."""
    return POLAR.write(tmp_path_factory.mktemp("checkpoints") / "POLAR-tiny")


def using(folder, use, options=None):
    """Start the model, use it, close it."""

    async def run():
        model = PolarTransformers(folder, options)
        await model.start()
        try:
            return await use(model)
        finally:
            await model.close()

    return asyncio.run(run())


def by_hand(model, comparisons):
    """The scores by the plain forward pass over the tokens that the model reads."""
    scores = []
    for c in comparisons:
        tokens = torch.tensor([model._tokeniser.read_parts(c.prompt, c.reference, c.output).tokens])
        scores += POLAR.score(tokens, torch.ones_like(tokens))
    return scores


@pytest.mark.parametrize("share", [True, False], ids=["shared", "unshared"])
def test_comparisons_are_scored_in_their_order(folder, share):
    """From text to scores, several requests at once, each gets its own."""
    groups = [
        [Comparison(prompt, reference, output) for output in ("Beijing.", "", "ten letters" * 9)]
        for prompt in (QUESTION, "How many letters?", "")
        for reference in ("Beijing.", "ten")
    ]

    async def use(model):
        found = await asyncio.gather(*map(model.compare, groups))
        return found, [by_hand(model, group) for group in groups], model.usage()

    found, expected, usage = using(folder, use, PolarOptions(share_prefixes=share))
    for scores, own in zip(found, expected, strict=True):
        assert scores == pytest.approx(own, abs=1e-5)
    assert usage["items"] == 18
    assert (usage["computed_tokens"] < usage["tokens"]) == share


def test_equal_comparisons_get_equal_scores_and_cost_once(folder):
    """Rollouts often give the very same answer."""

    async def use(model):
        scores = await model.compare([Comparison(QUESTION, "Beijing.", "Beijing.")] * 5)
        return scores, model.usage()["items"]

    scores, items = using(folder, use)
    assert len(set(scores)) == 1
    assert items == 1


def test_nothing_to_compare_is_no_work(folder):
    """An empty request gets an empty answer."""
    assert using(folder, lambda model: model.compare([])) == []


def test_a_deadline_in_the_past_leaves_everything_unscored(folder):
    """What is late is a failure of each item, and never a number."""

    async def use(model):
        items = [Comparison(QUESTION, "Beijing.", str(n)) for n in range(3)]
        return await model.compare(items, deadline=time.monotonic() - 1), model.usage()

    answers, usage = using(folder, use)
    assert all(isinstance(answer, OutOfTime) for answer in answers)
    assert "items" not in usage


def test_a_cancelled_request_is_dropped(folder):
    """What a caller no longer wants is not computed, and the next one is served."""

    async def use(model):
        items = [Comparison(QUESTION, "Beijing.", f"{n} letters" * 20) for n in range(40)]
        task = asyncio.create_task(model.compare(items))
        while not model.usage().get("batches"):
            await asyncio.wait([task], timeout=0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        again = await model.compare([Comparison(QUESTION, "Beijing.", "ten")])
        return (
            task.cancelled(),
            model.usage(),
            again,
            by_hand(model, [Comparison(QUESTION, "Beijing.", "ten")]),
        )

    cancelled, usage, again, expected = using(folder, use, PolarOptions(batch_tokens=64))
    assert cancelled
    assert usage["items"] < 40
    assert usage["waiting_items"] == 0
    assert again == pytest.approx(expected, abs=1e-5)


def test_readiness_follows_the_model(folder):
    """Not before it was started, and not after it was closed."""

    async def run():
        model = PolarTransformers(folder)
        before = model.health(), await model.compare([Comparison("a", "b", "c")])
        await model.start()
        between = model.health()
        await model.close()
        after = model.health(), await model.compare([Comparison("a", "b", "c")])
        return before, between, after

    (unready, early), ready, (closed, late) = asyncio.run(run())
    assert unready.reason == "the model has not been started"
    assert ready.ready
    assert closed.reason == "the model was shut down"
    assert [type(answer) for answer in (*early, *late)] == [ModelFailed, ModelFailed]


def test_a_scorer_is_named_for_its_folder_or_as_told(folder):
    """The name goes into every result."""
    assert PolarTransformers(folder).scorer == "polar:POLAR-tiny"
    assert PolarTransformers(folder, PolarOptions(name="POLAR-7B")).scorer == "polar:POLAR-7B"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"reward_token_id": 5}, "config.json says reward_token_id 5, the tokenizer 3"),
        ({"vocab_size": 400}, "the tokenizer has 401 tokens, config.json a vocabulary of 400"),
        ({"architectures": ["Other"]}, "expected InternLM2ForRewardModel"),
    ],
)
def test_a_mismatch_is_told_at_the_start(folder, tmp_path, change, why):
    """One clear line before anything is scored, and the model stays unready."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(POLAR.config | change))
    model = PolarTransformers(tmp_path)
    with pytest.raises(BadModel, match=why):
        asyncio.run(model.start())
    assert not model.health().ready
    asyncio.run(model.close())
