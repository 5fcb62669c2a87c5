"""Steps are folded once and only once, whatever callers and stores do."""

import asyncio
import itertools
import random
import time
from dataclasses import replace

import orjson
import pytest

from rewards.advantages.filters import AccuracyFilter
from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import take_step
from rewards.errors import BadRollouts, UnknownEstimator
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED, Spec
from service.engine import advantages
from service.engine.advantages import AdvantageEngine
from service.engine.steps import Shard
from service.errors import (
    RunSettingsDiffer,
    ShardsMissing,
    StateUnavailable,
    StepConflict,
    StepOutOfOrder,
)
from service.state.memory import MemoryStore
from service.state.offers import Offer
from service.state.records import Retention
from tests.service.engine.steps import ROLLOUTS, content, many_rollouts, request_of

pytestmark = pytest.mark.anyio


def shards_of(rollouts, count, *, seed=0):
    """The same rollouts spread over shards without regard to their groups, with their places."""
    places = list(range(len(rollouts.rewards)))
    random.Random(seed).shuffle(places)
    cuts = [places[i::count] for i in range(count)]
    return [
        (
            cut,
            Rollouts(
                [rollouts.rewards[i] for i in cut],
                [rollouts.groups[i] for i in cut],
                [rollouts.tasks[i] for i in cut],
                [rollouts.accuracy[i] for i in cut],
            ),
        )
        for cut in cuts
    ]


@pytest.fixture
async def engine(store):
    """An engine on an empty store."""
    return AdvantageEngine(store, shards_deadline_s=30.0)


@pytest.fixture
async def hasty(store):
    """An engine that does not wait for shards, on the same store."""
    return AdvantageEngine(store, shards_deadline_s=0.3)


async def test_an_answer_is_what_the_pure_function_gives(engine):
    """Two steps by the engine are two steps of the library, state carried along."""
    state = {}
    for step in (0, 7):
        rollouts = many_rollouts(step)
        answer = content(await engine.take(request_of(step, rollouts=rollouts)))
        estimate = take_step(rollouts, state, spec=ONETHINKER_RELEASED)
        state = estimate.state
        assert answer["advantages"] == estimate.advantages
        assert answer["scaled_rewards"] == estimate.scaled_rewards
        assert answer["kept"] == estimate.kept
        assert answer["tasks"] == {
            task: {"mean": of.mean, "std": of.std(1e-3), "updates": of.updates}
            for task, of in state.items()
        }
    assert answer["state_version"] == 2


async def test_the_same_body_again_gets_the_same_bytes(engine):
    """A replay differs from the first answer in its flag alone, however often it is sent."""
    first = await engine.take(request_of(3))
    again = [await engine.take(request_of(3)) for _ in range(3)]
    assert not first.replayed
    assert all(answer.replayed for answer in again)
    assert {answer.body for answer in again} == {
        first.body.replace(b'"replayed":false', b'"replayed":true')
    }
    assert orjson.loads(first.body)["state_version"] == 1


async def test_an_earlier_step_is_replayed_after_later_ones(engine):
    """A replay gets the answer of its own step, not of the latest."""
    first = await engine.take(request_of(3))
    await engine.take(request_of(4))
    assert content(await engine.take(request_of(3))) == content(first)


@pytest.mark.parametrize(
    "change",
    [
        {"rollouts": replace(ROLLOUTS, rewards=[1.4, 0.2, None, 1.1, 0.3, 0.8])},
        {"rollouts": replace(ROLLOUTS, groups=["p1", "p1", "p2", "p2", "p4", "p4"])},
        {"rollouts": replace(ROLLOUTS, tasks=["math"] * 6)},
        {"rollouts": replace(ROLLOUTS, accuracy=None)},
        {"accuracy_filter": AccuracyFilter()},
        {"estimator": "grpo"},
        {"spec": ONETHINKER_PAPER},
        {"shard": Shard(0, 1)},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.promise(35)
async def test_another_body_for_a_taken_step_is_a_conflict(change):
    """Whatever part of the request differs, it is refused and changes nothing."""
    engine = AdvantageEngine(MemoryStore())
    first = await engine.take(request_of(3))
    with pytest.raises(StepConflict, match="step 3 of run 'job' was taken with another body"):
        await engine.take(request_of(3, **change))
    assert content(await engine.take(request_of(3))) == content(first)


async def test_an_earlier_step_is_out_of_order(engine):
    """A step below the last one that is no replay is refused, with both steps."""
    await engine.take(request_of(5))
    with pytest.raises(StepOutOfOrder) as refusal:
        await engine.take(request_of(4))
    assert refusal.value.detail == {"step": 4, "last_step": 5}


async def test_a_step_is_never_taken_twice_even_when_its_answer_is_forgotten(open_store):
    """With the answer trimmed away, a replay is refused rather than folded again."""
    store = await open_store(Retention(record_steps=9, answer_steps=1, expire_s=3600))
    engine = AdvantageEngine(store)
    for step in (0, 1, 2):
        await engine.take(request_of(step))
    with pytest.raises(StepOutOfOrder):
        await engine.take(request_of(1))
    await store.close()


async def test_a_run_is_pinned_by_its_first_step(engine):
    """Another estimator or spec later on is refused with both values."""
    await engine.take(request_of(0))
    with pytest.raises(RunSettingsDiffer) as refusal:
        await engine.take(request_of(1, estimator="dr_grpo"))
    assert refusal.value.detail["differences"] == {
        "estimator": {"pinned": "ema_grpo", "given": "dr_grpo"}
    }
    with pytest.raises(RunSettingsDiffer) as refusal:
        await engine.take(request_of(1, spec=ONETHINKER_PAPER))
    differences = refusal.value.detail["differences"]
    assert set(differences) == {"spec", "digest", "std_epsilon", "limit_rule"}
    assert differences["limit_rule"] == {"pinned": "group_std", "given": "clip"}


async def test_a_spec_that_changed_under_a_running_job_is_noticed(engine):
    """The same name with another constant, even one of the rewards, is another spec."""
    before = Spec(name="ours")
    await engine.take(request_of(0, spec=before))
    with pytest.raises(RunSettingsDiffer, match="another digest"):
        await engine.take(request_of(1, spec=replace(before, point_sigma=20.0)))
    await engine.take(request_of(1, spec=before))


@pytest.mark.promise(35)
async def test_copies_sent_at_once_are_folded_once(open_store):
    """A hundred copies over three engines: one is folded and all get the same content."""
    stores = [await open_store() for _ in range(3)]
    engines = [AdvantageEngine(store) for store in stores]
    answers = await asyncio.gather(*(engines[i % 3].take(request_of(0)) for i in range(100)))
    assert len({orjson.dumps(content(answer)) for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert content(answers[0])["state_version"] == 1
    for store in stores:
        await store.close()


async def test_of_two_bodies_for_one_step_one_is_folded(open_store):
    """Two callers race for a step with different rewards: one gets it, the other a conflict."""
    stores = [await open_store() for _ in range(2)]
    requests = [request_of(0), request_of(0, rollouts=many_rollouts(1))]
    outcomes = await asyncio.gather(
        *(
            AdvantageEngine(store).take(request)
            for store, request in zip(stores, requests, strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["StepAnswer", "StepConflict"]
    for store in stores:
        await store.close()


class ForgetfulStore(MemoryStore):
    """Makes a write and then fails to say so, as a connection does that breaks."""

    async def write(self, run, write):
        """Make the change and lose the answer."""
        await super().write(run, write)
        raise StateUnavailable("the answer was lost")


@pytest.mark.promise(14)
@pytest.mark.promise(36)
async def test_a_write_whose_answer_was_lost_is_found_by_the_retry():
    """The caller hears 503, sends the same again, and the step counts once."""
    store = ForgetfulStore()
    engine = AdvantageEngine(store)
    with pytest.raises(StateUnavailable):
        await engine.take(request_of(0))
    answer = await engine.take(request_of(0))
    assert answer.replayed
    assert content(answer)["state_version"] == 1


async def test_shards_come_to_the_same_bits_as_the_whole(open_store):
    """In every order of arrival, over three engines, with groups torn apart."""
    rollouts = many_rollouts(5)
    bounds = AccuracyFilter(0.01, 0.99)
    whole = content(
        await AdvantageEngine(MemoryStore()).take(
            request_of(0, rollouts=rollouts, accuracy_filter=bounds)
        )
    )
    shards = shards_of(rollouts, 3)
    for order in itertools.permutations(range(3)):
        stores = [await open_store() for _ in range(3)]
        await stores[0].delete("job")

        async def send(index, *, delay_s, stores=stores):
            await asyncio.sleep(delay_s)
            request = request_of(
                0, rollouts=shards[index][1], accuracy_filter=bounds, shard=Shard(index, 3)
            )
            return index, content(await AdvantageEngine(stores[index]).take(request))

        sent = [send(index, delay_s=0.01 * place) for place, index in enumerate(order)]
        for index, answer in await asyncio.gather(*sent):
            places = shards[index][0]
            for column in ("advantages", "scaled_rewards", "kept"):
                assert answer[column] == [whole[column][place] for place in places]
            assert answer["tasks"] == whole["tasks"]
            assert answer["state_version"] == 1
        for store in stores:
            await store.close()


async def test_a_missing_shard_is_named_at_the_deadline(engine):
    """The state stays as it is, the parts are kept, and the last one completes the step."""
    parts = [part for _, part in shards_of(many_rollouts(2), 3)]
    requests = [request_of(4, rollouts=parts[i], shard=Shard(i, 3)) for i in range(3)]
    waiting = AdvantageEngine(engine.store, shards_deadline_s=1.5)
    outcomes = await asyncio.gather(
        waiting.take(requests[0]), waiting.take(requests[2]), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [ShardsMissing] * 2
    assert outcomes[0].detail == {"step": 4, "missing": [1]}
    assert (await engine.store.read("job", 4, 0)).head is None
    last = await engine.take(requests[1])
    assert not last.replayed
    again = [await engine.take(requests[i]) for i in (0, 2)]
    assert {content(answer)["state_version"] for answer in (last, *again)} == {1}


async def test_a_shard_waits_no_longer_than_its_caller(engine):
    """A request's own deadline cuts the wait short."""
    began = time.monotonic()
    with pytest.raises(ShardsMissing):
        await engine.take(request_of(0, shard=Shard(0, 2), deadline_s=0.05))
    assert time.monotonic() - began < 10.0


async def test_parts_that_nobody_folded_are_folded_by_whoever_comes(engine):
    """Where the process died that had all parts, the retry of any rank completes the step."""
    parts = [part for _, part in shards_of(many_rollouts(3), 2)]
    requests = [request_of(0, rollouts=parts[i], shard=Shard(i, 2)) for i in range(2)]
    for index, request in enumerate(requests):
        entries = {str(index): request.body}
        await engine.store.gather("job", Offer(step=0, terms=request.terms, entries=entries))
    answer = await engine.take(requests[0])
    assert content(answer)["state_version"] == 1


async def test_a_shard_that_is_sent_again_after_the_step_is_a_replay(engine):
    """Its stored slice comes back, flagged."""
    parts = [part for _, part in shards_of(many_rollouts(4), 2)]
    requests = [request_of(0, rollouts=parts[i], shard=Shard(i, 2)) for i in range(2)]
    first = await asyncio.gather(*map(engine.take, requests))
    again = await asyncio.gather(*map(engine.take, requests))
    assert [answer.replayed for answer in (*first, *again)] == [False, False, True, True]
    assert list(map(content, first)) == list(map(content, again))


async def test_a_shard_cannot_change_its_mind(engine, hasty):
    """The same shard with other rewards is refused while the step gathers."""
    with pytest.raises(ShardsMissing):
        await hasty.take(request_of(0, shard=Shard(0, 2)))
    with pytest.raises(StepConflict, match="shard 0 of step 0"):
        await engine.take(request_of(0, rollouts=many_rollouts(1), shard=Shard(0, 2)))


@pytest.mark.parametrize(
    "other",
    [
        {"shard": Shard(1, 3)},
        {"shard": Shard(1, 2), "estimator": "grpo"},
        {"shard": Shard(1, 2), "spec": ONETHINKER_PAPER},
        {"shard": Shard(1, 2), "accuracy_filter": AccuracyFilter()},
    ],
    ids=["count", "estimator", "spec", "filter"],
)
async def test_the_shards_of_a_step_agree_on_its_terms(engine, hasty, other):
    """A shard with another count, estimator, spec or filter than the first is refused with both."""
    with pytest.raises(ShardsMissing):
        await hasty.take(request_of(0, shard=Shard(0, 2)))
    with pytest.raises(StepConflict, match="disagree") as refusal:
        await engine.take(request_of(0, **other))
    assert refusal.value.detail["expected"] != refusal.value.detail["got"]


async def test_a_step_is_not_taken_whole_while_it_gathers_shards(engine, hasty):
    """Whole and in parts at once is a conflict, before anything is folded."""
    with pytest.raises(ShardsMissing):
        await hasty.take(request_of(0, shard=Shard(0, 2)))
    with pytest.raises(StepConflict, match="being gathered in parts"):
        await engine.take(request_of(0))


async def test_a_shard_that_cannot_be_folded_is_no_request():
    """A filter without accuracies is refused before it could spoil the step of the others."""
    with pytest.raises(BadRollouts):
        request_of(
            0,
            rollouts=replace(ROLLOUTS, accuracy=None),
            accuracy_filter=AccuracyFilter(),
            shard=Shard(0, 2),
        )
    with pytest.raises(UnknownEstimator):
        request_of(0, estimator="gae", shard=Shard(0, 2))


async def test_an_empty_shard_is_a_shard(engine):
    """A rank without rollouts still takes its part in the step."""
    nothing = Rollouts([], [], [], [])
    full, empty = await asyncio.gather(
        engine.take(request_of(0, shard=Shard(0, 2))),
        engine.take(request_of(0, rollouts=nothing, shard=Shard(1, 2))),
    )
    assert content(empty)["advantages"] == []
    assert content(empty)["tasks"] == content(full)["tasks"] != {}


async def test_large_batches_are_reckoned_beside_the_event_loop(monkeypatch):
    """In a thread the same numbers come out."""
    small = content(await AdvantageEngine(MemoryStore()).take(request_of(0)))
    monkeypatch.setattr(advantages, "LARGE_BATCH", 1)
    assert content(await AdvantageEngine(MemoryStore()).take(request_of(0))) == small


async def test_whoever_follows_a_run_hears_of_each_step_once():
    """Followers hear of what was folded, not of replays."""
    heard = []

    class Listener:
        def moved(self, run, head, estimate):
            heard.append((run, head.step, set(estimate.state) == set(estimate.folded)))

    engine = AdvantageEngine(MemoryStore(), followers=(Listener(),))
    for step in (0, 0, 1):
        await engine.take(request_of(step))
    assert heard == [("job", 0, True), ("job", 1, True)]
