"""Runs are looked at, put back, carried away, brought in and removed."""

from dataclasses import replace

import orjson
import pytest

from rewards.maths.moments import Moments
from service.engine.advantages import AdvantageEngine
from service.engine.run_state import RunState
from service.engine.runs import RunLedger
from service.engine.steps import Shard
from service.errors import (
    HistoryTrimmed,
    RunExists,
    RunMoved,
    ShardsMissing,
    StepOutOfOrder,
    UnknownRun,
)
from service.state.records import Retention
from tests.service.engine.steps import content, many_rollouts, request_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def engine(store):
    """An engine on an empty store."""
    return AdvantageEngine(store, shards_deadline_s=0.05)


@pytest.fixture
async def runs(store):
    """The runs of the same store."""
    return RunLedger(store)


async def take(engine, steps, *, run="job"):
    """Take steps, each with rewards of its own; the bytes of each answer."""
    return [
        (await engine.take(request_of(step, run=run, rollouts=many_rollouts(step)))).body
        for step in steps
    ]


async def test_a_rewound_run_takes_its_steps_anew_with_the_same_bytes(engine, runs):
    """From step 10 on, everything comes out as it did the first time, state version included."""
    first = await take(engine, [0, 10, 20, 30])
    state = (await runs.find("job")).state
    back = await runs.rewind("job", 10)
    assert (back.step, back.version) == (10, 2)
    assert await take(engine, [20, 30]) == first[2:]
    assert (await runs.find("job")).state == state


async def test_answers_before_the_rewind_are_still_replayed(engine, runs):
    """A step that stays is answered as before; one that went is folded with whatever comes."""
    await take(engine, [0, 10, 20])
    await runs.rewind("job", 10)
    assert (await engine.take(request_of(10, rollouts=many_rollouts(10)))).replayed
    assert not (await engine.take(request_of(20, rollouts=many_rollouts(99)))).replayed


async def test_a_rewind_to_a_step_that_was_not_taken_goes_to_the_one_before(engine, runs):
    """Step 15 means: after step 10."""
    await take(engine, [0, 10, 20])
    assert (await runs.rewind("job", 15)).step == 10


async def test_a_rewind_before_the_first_step_leaves_an_empty_state(engine, runs):
    """The moments are gone, the pinned settings stay."""
    first = await take(engine, [5, 6])
    back = await runs.rewind("job", 0)
    assert (back.step, back.version, back.state.tasks) == (None, 0, {})
    assert await take(engine, [5, 6]) == first


async def test_a_rewind_drops_what_was_being_gathered(engine, runs):
    """A shard of the job that crashed does not meet the shards of the one that resumes."""
    await take(engine, [0, 1])
    with pytest.raises(ShardsMissing):
        await engine.take(request_of(2, shard=Shard(0, 2)))
    await runs.rewind("job", 1)
    assert not (await engine.take(request_of(2))).replayed


async def test_a_rewind_may_name_the_version_it_expects(engine, runs):
    """A late copy of a rewind does not undo what was done since."""
    await take(engine, [0, 1, 2])
    await runs.rewind("job", 0, expected_version=3)
    await take(engine, [1])
    with pytest.raises(RunMoved, match="at version 2: expected 3"):
        await runs.rewind("job", 0, expected_version=3)


async def test_a_run_that_moves_while_it_is_put_back_is_left_alone(engine, store):
    """The change is made from where the run was read, or not at all."""

    class Busy:
        """The same store, in which another step is taken just before each write."""

        def __getattr__(self, name):
            return getattr(store, name)

        async def write(self, run, write):
            await take(engine, [9])
            return await store.write(run, write)

    await take(engine, [0, 1])
    with pytest.raises(RunMoved, match="moved on in the meantime"):
        await RunLedger(Busy()).rewind("job", 0)
    assert (await RunLedger(store).find("job")).step == 9


async def test_a_rewind_beyond_what_is_kept_is_refused(open_store):
    """The error says how far back one can go."""
    store = await open_store(Retention(record_steps=2, answer_steps=1, expire_s=3600))
    await take(AdvantageEngine(store), [0, 1, 2, 3])
    with pytest.raises(HistoryTrimmed, match="begins with step 2") as refusal:
        await RunLedger(store).rewind("job", 1)
    assert refusal.value.detail == {"oldest_step": 2}
    assert (await RunLedger(store).rewind("job", 2)).step == 2
    await store.close()


async def test_a_writer_from_before_a_rewind_cannot_write(engine, runs, store):
    """Version 3 of the old line is not version 3 of the new one."""
    await take(engine, [0, 1, 2])
    stale = (await store.read("job", 3, 0)).head
    await runs.rewind("job", 1)
    await take(engine, [2])
    fresh = (await store.read("job", 3, 0)).head
    assert stale.mark.version == fresh.mark.version
    assert stale.mark != fresh.mark


@pytest.mark.promise(41)
async def test_an_exported_run_goes_on_elsewhere_with_the_same_bytes(engine, runs):
    """Exported, removed and brought in, the next step is equal bit for bit."""
    await take(engine, [0, 1])
    exported = await runs.find("job")
    expected = await take(engine, [2])
    await runs.delete("job")
    back = await runs.bring_in("job", exported)
    assert (back.step, back.version, back.state) == (1, 2, exported.state)
    assert await take(engine, [2]) == expected


async def test_a_run_is_replaced_only_on_purpose(engine, runs):
    """Bringing in over an existing run needs a word for it."""
    await take(engine, [0])
    exported = await runs.find("job")
    await take(engine, [1])
    with pytest.raises(RunExists, match="at version 2"):
        await runs.bring_in("job", exported)
    assert (await runs.bring_in("job", exported, replace=True)).version == 1
    await take(engine, [1])


@pytest.mark.parametrize("steps", [[1], [0, 1]], ids=["first-step", "second-step"])
async def test_an_imported_run_cannot_be_rewound_before_its_import(engine, runs, steps):
    """What was before is not known here."""
    await take(engine, steps)
    await runs.bring_in("copy", await runs.find("job"))
    with pytest.raises(HistoryTrimmed):
        await runs.rewind("copy", 0)
    with pytest.raises(StepOutOfOrder):
        await engine.take(request_of(0, run="copy"))


async def test_moments_can_be_brought_in_before_a_first_step(engine, runs):
    """A new run may start from the deviations of an old one."""
    await take(engine, [0])
    old = await runs.find("job")
    warm = RunState(old.state.settings, {"math": Moments(0.5, 4.0, updates=10)})
    await runs.bring_in("new", replace(old, step=None, version=0, state=warm))
    answer = content(await engine.take(request_of(0, run="new")))
    assert answer["state_version"] == 1
    assert answer["tasks"]["math"]["updates"] == 11
    assert (await runs.rewind("new", 0)).step == 0


async def test_the_history_tells_what_each_step_did(engine, runs):
    """Versions are contiguous, page after page, and the moments are those of the answers."""
    answers = await take(engine, range(0, 50, 10))
    first = await runs.history("job", limit=2)
    rest = await runs.history("job", after=first[-1].step)
    lines = first + rest
    assert [line.step for line in lines] == [0, 10, 20, 30, 40]
    assert [line.mark.version for line in lines] == [1, 2, 3, 4, 5]
    for line, body in zip(lines, answers, strict=True):
        means = {task: of["mean"] for task, of in orjson.loads(body)["tasks"].items()}
        assert {task: moments.mean for task, moments in line.after.items()} == means


async def test_runs_are_listed(engine, runs):
    """By name, with where each stands."""
    await take(engine, [0, 1], run="b")
    await take(engine, [7], run="a")
    overview = await runs.overview()
    assert [(run.name, run.step, run.version) for run in overview] == [("a", 7, 1), ("b", 1, 2)]
    assert [run.name for run in await runs.overview(after="a")] == ["b"]
    assert await runs.oldest_step("b") == 0


async def test_an_unknown_run_is_said_to_be_unknown(runs):
    """Whatever is asked of it."""
    for ask in (runs.find("x"), runs.rewind("x", 0), runs.delete("x")):
        with pytest.raises(UnknownRun, match="no run 'x'"):
            await ask
