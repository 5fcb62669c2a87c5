"""A log of updates is proved whole, or what is wrong with it is named."""

import math
from dataclasses import replace

import pytest

from service.engine.advantages import AdvantageEngine
from service.engine.log_check import verify_lines, verify_log
from service.engine.runs import RunLedger
from service.engine.update_line import UpdateLine
from service.state.memory import MemoryStore
from tests.service.engine.steps import many_rollouts, request_of

pytestmark = pytest.mark.anyio


async def lines_of(runs, run="job"):
    """The log of a run as its store gives it."""
    return [line async for line in runs.lines(run)]


@pytest.fixture
async def engine():
    """An engine whose clock goes on, so that generations differ."""
    return AdvantageEngine(MemoryStore())


@pytest.fixture
async def log(engine):
    """The log of five steps."""
    for step in range(5):
        await engine.take(request_of(step, rollouts=many_rollouts(step)))
    return await lines_of(RunLedger(engine.store))


def change(line, **fields):
    """The same line with other content."""
    return replace(UpdateLine.decode(line), **fields).encode()


async def test_a_log_that_is_whole_is_found_so(log, tmp_path):
    """Five updates of one run, no faults; the order of the lines does not matter."""
    path = tmp_path / "updates.log"
    path.write_bytes(b"\n".join(log) + b"\n")
    report = verify_log(path)
    assert (report.runs, report.updates, report.rewinds, report.repeated) == (1, 5, 0, 0)
    assert report.sound
    assert verify_lines(reversed(log)).sound


async def test_a_line_reads_back_as_it_was_written(log):
    """To the last bit."""
    assert all(UpdateLine.decode(line).encode() == line for line in log)


async def test_a_missing_line_is_missed(log):
    """Versions are contiguous, or the gap is named."""
    report = verify_lines(log[:2] + log[3:])
    assert not report.sound
    assert "version 3 is missing" in report.faults[0]


async def test_a_log_may_begin_anywhere(log):
    """Lines before the first one may have been trimmed away."""
    assert verify_lines(log[2:]).sound


async def test_one_update_applied_twice_is_found(log):
    """The last update folded once more, as a retry would that nobody recognised."""
    last = UpdateLine.decode(log[-1])
    again = replace(last, mark=replace(last.mark, version=6), before=last.after)
    report = verify_lines([*log, again.encode()])
    assert any("step 4 was taken after step 4" in fault for fault in report.faults)


async def test_two_updates_of_one_version_are_found(log):
    """Two replicas that both believed to be first."""
    report = verify_lines([*log, change(log[3], inputs="sha256:other")])
    assert any("version 4" in fault and "twice" in fault for fault in report.faults)


async def test_the_same_line_again_is_harmless(log):
    """Two replicas that log the same update say so."""
    report = verify_lines(log + log[:2])
    assert (report.sound, report.repeated, report.updates) == (True, 2, 5)


async def test_a_changed_bit_is_found(log):
    """Moments that are off by one unit in the last place, before or after."""
    line = UpdateLine.decode(log[2])
    moments = line.after["math"]
    nudged = replace(moments, variance=math.nextafter(moments.variance, 1.0))
    after = {**line.after, "math": nudged}
    faults = verify_lines([*log[:2], change(log[2], after=after), *log[3:]]).faults
    assert "after it are not what its batch leads to" in faults[0]
    assert "before it are not those after version 3" in faults[1]


async def test_what_is_no_line_is_named(log):
    """Broken JSON, other JSON, and an unknown event."""
    broken = [b"{", b"[]", b'{"event": "step"}', log[0].replace(b'"step"', b'"jump"', 1)]
    report = verify_lines([*log, *broken])
    assert [fault.partition(" is no update")[0] for fault in report.faults] == [
        "line 6", "line 7", "line 8", "line 9"
    ]  # fmt: skip


async def test_a_log_with_a_rewind_is_whole(engine, log):
    """What was forgotten and what took its place are two lines of history, both proved."""
    runs = RunLedger(engine.store)
    await runs.rewind("job", 1)
    for step in (2, 3):
        await engine.take(request_of(step, rollouts=many_rollouts(100 + step)))
    report = verify_lines(log + await lines_of(runs))
    assert (report.faults, report.rewinds, report.updates, report.repeated) == ((), 1, 7, 2)


async def test_a_branch_that_grows_from_nowhere_is_found(engine, log):
    """After a rewind the next update must follow from the version it went back to."""
    runs = RunLedger(engine.store)
    await runs.rewind("job", 1)
    await engine.take(request_of(2, rollouts=many_rollouts(7)))
    branch = UpdateLine.decode((await lines_of(runs))[-1])
    elsewhere = replace(branch, mark=replace(branch.mark, version=4))
    assert not verify_lines([*log, elsewhere.encode()]).sound


async def test_an_imported_run_is_proved_from_its_import_on(engine, log):
    """The import says where the run stands, and the next update must follow from there."""
    runs = RunLedger(engine.store)
    await runs.bring_in("copy", await runs.find("job"))
    await engine.take(request_of(9, run="copy", rollouts=many_rollouts(9)))
    lines = await lines_of(runs, "copy")
    report = verify_lines(log + lines)
    assert (report.faults, report.runs, report.updates) == ((), 2, 7)
    after = {"math": replace(UpdateLine.decode(lines[0]).after["math"], mean=0.0)}
    assert not verify_lines([change(lines[0], after=after), lines[1]]).sound


async def test_a_run_that_was_removed_may_begin_again(engine, log):
    """Its second life starts from nothing, under the same name."""
    runs = RunLedger(engine.store)
    await runs.delete("job")
    await engine.take(request_of(0, rollouts=many_rollouts(50)))
    assert verify_lines(log + await lines_of(runs)).sound
