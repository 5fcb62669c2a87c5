"""Tests for `service.models`, from settings to scores over HTTP."""

import asyncio

import pytest

from rewards.sample import Sample
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED
from service.bootstrap import open_container
from service.errors import BadSettings
from service.models import similarity_model
from service.settings import Settings
from tests.polar_checkpoints import RandomPolar

PROMPT = "What is the capital of China?"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny random POLAR in InternLM2's own layout."""
    return RandomPolar(positions=4096).write(tmp_path_factory.mktemp("polar"))


def settings(**given):
    """Settings of a service that keeps nothing."""
    return Settings.read({}, store="memory:", workers="1", **given)


def test_without_a_model_there_is_none():
    """Nothing is loaded that nobody asked for."""
    assert similarity_model(settings()) is None


@pytest.mark.parametrize(
    ("polar", "complaint"),
    [
        ("http+triton://host:1", "expected an address that begins with"),
        ("http+vllm://host:1,host:1", "expected every address once"),
        ("ray://host:10001", "polar: expected ray://HOST:PORT/APP"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused(polar, complaint):
    """One line says what was expected."""
    with pytest.raises(BadSettings, match=complaint):
        similarity_model(settings(polar=polar))


@pytest.mark.promise(50)
def test_a_folder_without_a_checkpoint_keeps_the_service_from_starting(tmp_path):
    """A model that cannot be used is an operator's matter, told at the start."""

    async def start():
        async with open_container(settings(polar=str(tmp_path))):
            pass

    with pytest.raises(BadSettings, match="polar: "):
        asyncio.run(start())


def test_a_checkpoint_judges_open_ended_answers(checkpoint):
    """Both specs have their numbers from the model, normalised as each says."""
    samples = [
        Sample(
            "open_ended",
            f"<think>a</think><answer>{answer}</answer>",
            "Beijing.",
            prompt=PROMPT,
            group="g",
        )
        for answer in ("Beijing.", "Shanghai.", "two plus two")
    ]

    async def run():
        async with open_container(settings(polar=str(checkpoint))) as container:
            released = await container.scoring.score(samples, ONETHINKER_RELEASED)
            paper = await container.scoring.score(samples, ONETHINKER_PAPER)
            scrape = {m.name for m in container.metrics.registry.collect()}
            return released, paper, container.health(), scrape

    released, paper, health, scrape = asyncio.run(run())
    raw = [verdict.accuracy for verdict in paper]
    assert [verdict.parts["raw_score"] for verdict in released] == pytest.approx(raw, abs=1e-5)
    assert sorted(v.accuracy for v in released) == pytest.approx(
        sorted((x - min(raw)) / (max(raw) - min(raw)) for x in raw), abs=1e-4
    )
    assert {verdict.scorer for verdict in (*released, *paper)} == {f"polar:{checkpoint.name}"}
    assert health["similarity"].ready
    assert "reward_similarity_waiting_items" in scrape
