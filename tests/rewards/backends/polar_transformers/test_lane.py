"""Tests for `rewards.backends.polar_transformers.lane`."""

import threading
import time
from concurrent.futures import wait

import pytest

from rewards.backends.polar_transformers.lane import Lane, LaneOptions
from rewards.backends.polar_transformers.packing import Passage
from rewards.errors import ModelFailed, OutOfTime

PROBE = Passage((0, 0), 1)
PATIENCE_S = 20


class Scales:
    """A scorer that weighs a passage by its last token, as slowly as it is told."""

    def __init__(self, capacity=10**9):
        self.capacity = capacity
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.trouble = None
        self.freed = 0
        self.running = 0

    def score(self, passages, *, share):  # noqa: ARG002 - scales have nothing to share
        """The last token of each, unless there is trouble."""
        self.running += 1
        assert self.running == 1
        self.batches.append(passages)
        self.begun.set()
        self.gate.wait(PATIENCE_S)
        self.running -= 1
        if self.trouble:
            raise self.trouble
        if sum(len(passage.tokens) for passage in passages) > self.capacity:
            raise MemoryError
        return [float(passage.tokens[-1]) for passage in passages]

    def free_memory(self):
        """Remember that it was asked for."""
        self.freed += 1


@pytest.fixture
def scales():
    """A scorer that is let go at the end."""
    made = Scales()
    yield made
    made.gate.set()


@pytest.fixture
def lane(scales):
    """A lane with room for ten tokens a batch."""
    made = Lane(scales, PROBE, LaneOptions(batch_tokens=10))
    yield made
    scales.gate.set()
    made.close()


def hold(lane, scales):
    """Keep the device busy until the gate opens; what comes now has to wait."""
    scales.gate.clear()
    scales.begun.clear()
    future = lane.submit([Passage((99, 99), 1)])[0]
    assert scales.begun.wait(PATIENCE_S)
    return future


def family(first, *lasts, size=4):
    """Rollouts of one prompt, told apart by their last token."""
    return [Passage((first,) * (size - 1) + (last,), size - 1) for last in lasts]


def lasts(batch):
    """What the batch was made of."""
    return [passage.tokens[-1] for passage in batch]


def test_what_is_sent_together_stays_together(lane, scales):
    """An idle device does not start with the first rollout of a group and leave the rest."""
    futures = lane.submit(family(1, 11, 12, 13, 14, 15, 16))
    wait(futures, PATIENCE_S)
    assert list(map(lasts, scales.batches)) == [[11, 12, 13, 14, 15, 16]]


def test_what_waits_goes_together_up_to_the_budget(lane, scales):
    """Two families of 4 + 1 + 1 tokens do not fit into ten; the second goes next."""
    held = hold(lane, scales)
    futures = lane.submit([*family(1, 11, 12, 13), *family(2, 21, 22, 23)])
    scales.gate.set()
    assert [future.result(PATIENCE_S) for future in [held, *futures]] == [
        99, 11, 12, 13, 21, 22, 23,
    ]  # fmt: skip
    assert list(map(lasts, scales.batches[1:])) == [[11, 12, 13, 21], [22, 23]]


def test_rollouts_of_one_prompt_go_together_whoever_sent_them(lane, scales):
    """A family's late comers are computed with those that came first."""
    hold(lane, scales)
    (a, b), (c,) = family(1, 11, 12), family(2, 21)
    futures = [*lane.submit([a]), *lane.submit([c]), *lane.submit([b])]
    scales.gate.set()
    wait(futures, PATIENCE_S)
    assert list(map(lasts, scales.batches[1:])) == [[11, 12, 21]]


def test_a_passage_too_large_for_the_budget_goes_alone(lane, scales):
    """Nothing starves."""
    hold(lane, scales)
    futures = lane.submit([*family(1, 11, size=40), *family(2, 21)])
    scales.gate.set()
    assert [future.result(PATIENCE_S) for future in futures] == [11, 21]
    assert list(map(lasts, scales.batches[1:])) == [[11], [21]]


def test_equal_passages_are_computed_once(lane, scales):
    """Two callers with the same passage, one of them while it is being computed, share it."""
    passage = family(1, 11)[0]
    hold(lane, scales)
    waiting = [lane.submit([passage])[0], lane.submit([passage])[0]]
    scales.begun.clear()
    scales.gate.set()
    assert [future.result(PATIENCE_S) for future in waiting] == [11, 11]
    scales.gate.clear()
    running = lane.submit([passage])[0]
    while len(scales.batches) < 3:
        time.sleep(0.001)
    late = lane.submit([passage])[0]
    scales.gate.set()
    assert [running.result(PATIENCE_S), late.result(PATIENCE_S)] == [11, 11]
    assert list(map(lasts, scales.batches[1:])) == [[11], [11]]


@pytest.mark.promise(13)
def test_what_was_cancelled_is_never_computed(lane, scales):
    """A caller that goes away costs nothing, one of two that goes away harms nobody."""
    hold(lane, scales)
    one, other = family(1, 11, 12)
    gone, shared, kept = lane.submit([one])[0], lane.submit([other])[0], lane.submit([other])[0]
    assert gone.cancel()
    assert shared.cancel()
    scales.gate.set()
    assert kept.result(PATIENCE_S) == 12
    assert list(map(lasts, scales.batches[1:])) == [[12]]
    assert lane.usage()["dropped_items"] == 1


@pytest.mark.promise(12)
def test_what_is_late_is_answered_and_never_computed(lane, scales):
    """The deadline is looked at before the device is used, for each caller on his own."""
    hold(lane, scales)
    one, other = family(1, 11, 12)
    late = lane.submit([one], time.monotonic() - 1)[0]
    impatient, patient = lane.submit([other], time.monotonic() - 1)[0], lane.submit([other])[0]
    scales.gate.set()
    assert isinstance(late.result(PATIENCE_S), OutOfTime)
    assert isinstance(impatient.result(PATIENCE_S), OutOfTime)
    assert patient.result(PATIENCE_S) == 12
    assert list(map(lasts, scales.batches[1:])) == [[12]]


@pytest.mark.promise(49)
def test_a_batch_that_exhausts_the_memory_is_halved(lane, scales):
    """Everything that fits is scored, what does not fit alone is not, and the lane learns."""
    scales.capacity = 9
    hold(lane, scales)
    passages = [*family(1, 11, 12, 13, 14), *family(2, 21, size=10)]
    futures = lane.submit(passages)
    scales.gate.set()
    *scored, failed = [future.result(PATIENCE_S) for future in futures]
    assert scored == [11, 12, 13, 14]
    assert isinstance(failed, ModelFailed)
    assert "out of memory on one input of 10 tokens" in str(failed)
    assert scales.freed == lane.usage()["out_of_memory"] == 2
    assert lane.usage()["batch_tokens_limit"] == 5
    assert lane.health().ready


def test_a_failing_batch_fails_its_items_and_nothing_else(lane, scales):
    """The thread outlives any failure, says so, and scores again once it can."""
    scales.trouble = ValueError("device-side assert")
    first = lane.submit(family(1, 11))[0].result(PATIENCE_S)
    assert isinstance(first, ModelFailed)
    assert lane.health().reason == "the last batch failed: ValueError: device-side assert"
    scales.trouble = None
    assert lane.submit(family(1, 11))[0].result(PATIENCE_S) == 11
    assert lane.health().ready


def test_an_idle_lane_in_trouble_tries_by_itself(lane, scales):
    """Nobody needs to send an item for the lane to find out that it works again."""
    scales.trouble = ValueError("gone")
    lane.submit(family(1, 11))[0].result(PATIENCE_S)
    scales.trouble = None
    give_up = time.monotonic() + PATIENCE_S
    while not lane.health().ready and time.monotonic() < give_up:
        time.sleep(0.01)
    assert lane.health().ready
    assert scales.batches[-1] == [PROBE]


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_score(lane, score):
    """A score that is not finite is a failure of the model, not a reward."""
    answer = lane.submit([Passage((1, score), 1)])[0].result(PATIENCE_S)
    assert isinstance(answer, ModelFailed)
    assert str(score) in str(answer)


@pytest.mark.promise(47)
def test_a_batch_that_does_not_end_is_noticed(scales):
    """A device that hangs makes the lane unready, and readiness says for how long."""
    now = [0.0]
    lane = Lane(scales, PROBE, LaneOptions(10, stuck_after_s=60, clock=lambda: now[0]))
    held = hold(lane, scales)
    now[0] = 61.0
    assert lane.health().reason == "one batch has been computing for 61 s"
    scales.gate.set()
    assert held.result(PATIENCE_S) == 99
    lane.close()


def test_closing_finishes_the_batch_and_answers_the_rest(lane, scales):
    """Nobody is left waiting, before or after."""
    held = hold(lane, scales)
    waiting = lane.submit(family(1, 11))[0]
    closing = threading.Thread(target=lane.close)
    closing.start()
    while not lane._closed:
        time.sleep(0.001)
    refused = lane.submit(family(1, 12))[0]
    scales.gate.set()
    closing.join(PATIENCE_S)
    assert held.result(PATIENCE_S) == 99
    for future in (waiting, refused):
        assert str(future.result(PATIENCE_S)) == "the model was shut down"
    assert not lane.health().ready


def test_what_was_saved_is_counted(lane, scales):
    """Totals tell tokens asked for from tokens computed, and what waits right now."""
    hold(lane, scales)
    futures = lane.submit(family(1, 11, 12))
    assert lane.usage()["waiting_items"] == 2
    assert lane.usage()["waiting_tokens"] == 8
    scales.gate.set()
    wait(futures, PATIENCE_S)
    usage = lane.usage()
    assert (usage["batches"], usage["items"], usage["waiting_items"]) == (2, 3, 0)
    assert (usage["tokens"], usage["computed_tokens"]) == (10, 7)
