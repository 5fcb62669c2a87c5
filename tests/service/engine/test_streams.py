"""Rewards that come one by one are scaled by a deviation that stands still, and folded once."""

import asyncio

import pytest

from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import take_step
from rewards.errors import BadRollouts
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED
from service.engine.advantages import AdvantageEngine
from service.engine.run_state import RunState
from service.engine.runs import RunLedger
from service.engine.streams import StreamedReward, StreamedStep, StreamEngine
from service.errors import RunSettingsDiffer, StepConflict, UnknownRun
from tests.service.engine.steps import many_rollouts, request_of

pytestmark = pytest.mark.anyio

EPSILON = ONETHINKER_RELEASED.std_epsilon


@pytest.fixture
async def streams(store):
    """A stream engine on an empty store."""
    return StreamEngine(store)


def step_of(step, *, spec=ONETHINKER_RELEASED):
    """A step of the run `job`."""
    return StreamedStep(run="job", step=step, spec=spec)


def rewards_of(step, *, task="math", count=8, seed=0):
    """Eight rewards of one group."""
    source = many_rollouts(1000 * step + seed, 8 * 3)
    rewards = [reward for reward in source.rewards if reward is not None][:count]
    return [
        StreamedReward(f"{step}/{seed}/{i}", f"p{seed}", task, reward)
        for i, reward in enumerate(rewards)
    ]


def folded(rewards, state=None):
    """The state after a step of these rewards, by the pure function."""
    rollouts = Rollouts(
        [one.reward for one in rewards],
        [one.group for one in rewards],
        [one.task for one in rewards],
    )
    return take_step(rollouts, state or {}, spec=ONETHINKER_RELEASED).state


async def state_of(store):
    """The moments of the run."""
    return RunState.decode((await store.read("job", 0, 0)).head.document).tasks


async def test_a_first_step_has_no_deviation_yet(streams):
    """Rewards of a task that was never folded stay as they are, and unscored ones stay unscored."""
    rewards = [*rewards_of(0), StreamedReward("none", "p0", "math", None)]
    assert await streams.scale(step_of(0), rewards) == [one.reward for one in rewards]


async def test_a_closed_step_moves_the_state_as_any_step_would(streams, store):
    """One by one, in calls of any size, the rewards lead to the state of the whole batch."""
    rewards = [*rewards_of(0), *rewards_of(0, task="ocr", seed=1)]
    for one in rewards[:5]:
        await streams.scale(step_of(0), [one])
    await streams.scale(step_of(0), rewards[5:])
    head = await streams.close(step_of(0))
    assert (head.step, head.mark.version) == (0, 1)
    assert await state_of(store) == folded(rewards)


async def test_every_reward_of_a_step_is_divided_by_the_same_number(streams, store):
    """However late in the step it comes, and although the step itself moves the state."""
    before = rewards_of(0)
    await streams.scale(step_of(0), before)
    sigma = folded(before)["math"].std(1e-3)
    rewards = rewards_of(1)
    scaled = [await streams.scale(step_of(1), [one]) for one in rewards]
    await streams.close(step_of(1))
    late = await streams.scale(step_of(1), [StreamedReward("late", "p0", "math", 1.0)])
    expected = [[one.reward / (sigma + EPSILON)] for one in rewards]
    assert scaled == expected
    assert late == [1.0 / (sigma + EPSILON)]
    assert await state_of(store) == folded(rewards, folded(before))


async def test_the_first_reward_of_a_later_step_closes_the_one_before(streams, store):
    """Without a word from its caller a step is folded when the next one begins."""
    await streams.scale(step_of(3), rewards_of(3))
    await streams.scale(step_of(4), rewards_of(4))
    assert (await store.read("job", 0, 0)).head.step == 3
    assert await state_of(store) == folded(rewards_of(3))


async def test_a_step_that_was_overtaken_is_scaled_and_not_folded(streams, store):
    """A reward of step 4 that comes after step 5 has begun does not move what step 5 stands on."""
    await streams.scale(step_of(3), rewards_of(3))
    fifth = await streams.scale(step_of(5), rewards_of(5))
    late = await streams.scale(step_of(4), rewards_of(4))
    sigma = folded(rewards_of(3))["math"].std(1e-3)
    assert late == [one.reward / (sigma + EPSILON) for one in rewards_of(4)]
    await streams.close(step_of(5))
    assert await streams.scale(step_of(5), rewards_of(5)) == fifth
    assert await state_of(store) == folded(rewards_of(5), folded(rewards_of(3)))


async def test_an_item_counts_once(streams, store):
    """The same item again is scaled again and folded once; with another reward it is refused."""
    rewards = rewards_of(0)
    for _ in range(3):
        await streams.scale(step_of(0), rewards)
    with pytest.raises(StepConflict, match="other rewards under the same ids") as refusal:
        await streams.scale(step_of(0), [StreamedReward(rewards[2].id, "p0", "math", 9.0)])
    assert refusal.value.detail["ids"] == [rewards[2].id]
    await streams.close(step_of(0))
    assert await state_of(store) == folded(rewards)


async def test_an_item_that_is_scored_at_last_counts(streams, store):
    """Unscored at first, it may come again with a verdict."""
    rewards = rewards_of(0)
    missing = StreamedReward(rewards[0].id, rewards[0].group, "math", None)
    await streams.scale(step_of(0), [missing, *rewards[1:]])
    await streams.scale(step_of(0), rewards[:1])
    await streams.close(step_of(0))
    assert await state_of(store) == folded(rewards)


async def test_closing_twice_folds_once(streams):
    """Whoever closes a closed step hears where the run stands."""
    await streams.scale(step_of(0), rewards_of(0))
    heads = await asyncio.gather(*(streams.close(step_of(0)) for _ in range(10)))
    assert {(head.step, head.mark.version) for head in heads} == {(0, 1)}


async def test_rewards_and_a_close_that_race_lose_nothing(open_store):
    """What was gathered before the step closed is folded; what came after is not; nothing else."""
    stores = [await open_store() for _ in range(3)]
    engines = [StreamEngine(store) for store in stores]
    rewards = rewards_of(0) + rewards_of(0, seed=1)
    await engines[0].scale(step_of(0), rewards[:8])
    calls = [engines[i % 3].scale(step_of(0), [one]) for i, one in enumerate(rewards[8:])]
    await asyncio.gather(*calls[:4], engines[1].close(step_of(0)), *calls[4:])
    line = (await RunLedger(stores[0]).history("job"))[0]
    assert line.mark.version == 1
    assert line.batch["math"].count in range(8, 17)
    state = await state_of(stores[2])
    assert state["math"].updates == 1
    for store in stores:
        await store.close()


async def test_streamed_and_whole_steps_share_one_state(streams, store):
    """A run may stream one step and send the next one whole."""
    await streams.scale(step_of(0), rewards_of(0))
    await streams.close(step_of(0))
    rollouts = many_rollouts(1)
    await AdvantageEngine(store).take(request_of(1, rollouts=rollouts))
    expected = take_step(rollouts, folded(rewards_of(0)), spec=ONETHINKER_RELEASED).state
    assert await state_of(store) == expected


async def test_a_streamed_run_is_pinned_too(streams):
    """Another spec is refused, before anything is gathered."""
    await streams.scale(step_of(0), rewards_of(0))
    with pytest.raises(StepConflict, match="other terms"):
        await streams.scale(step_of(0, spec=ONETHINKER_PAPER), rewards_of(0))
    await streams.close(step_of(0))
    with pytest.raises(RunSettingsDiffer):
        await streams.scale(step_of(1, spec=ONETHINKER_PAPER), rewards_of(1))


async def test_a_step_that_nobody_streamed_cannot_be_closed_for_a_new_run(streams):
    """For a known run closing nothing changes nothing."""
    with pytest.raises(UnknownRun):
        await streams.close(step_of(0))
    await streams.scale(step_of(0), rewards_of(0))
    await streams.close(step_of(0))
    assert (await streams.close(step_of(1))).step == 0


async def test_a_reward_that_cannot_be_squared_is_refused(streams):
    """Before it is gathered."""
    with pytest.raises(BadRollouts):
        await streams.scale(step_of(0), [StreamedReward("a", "p", "math", 1e308)])
