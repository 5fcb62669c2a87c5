"""What every run store does, whatever it is made of."""

import asyncio
import time
from dataclasses import replace

import pytest

from service.state.offers import Offer
from service.state.records import BEFORE_FIRST, Head, Mark, Record, Retention, StoredAnswer, Write

pytestmark = pytest.mark.anyio

RUN = "job-42"
NOW = 4e9  # far ahead, so that nothing a test writes has expired already


def head_at(step, version=1, *, generation=7, document=b"state"):
    """Where a run stands after `step`."""
    return Head(Mark(generation, version), step, document, 1.5, NOW)


def write_of(step, expected=None, *, version=1, document=b"state", answers=(), gathered=0):
    """The write that takes `step`, from version `expected` on."""
    return Write(
        head=head_at(step, version, document=document),
        expected=None if expected is None else Mark(7, expected),
        record=Record(step, b"step %d, version %d" % (step, version)),
        answers=[StoredAnswer(f"{step:064d}", answer) for answer in answers],
        gathered=gathered,
    )


async def take_steps(store, count, *, run=RUN):
    """Take steps 0, 10, 20 … one after the other, each with an answer."""
    for version in range(1, count + 1):
        expected = version - 1 or None
        step = 10 * (version - 1)
        assert await store.write(
            run, write_of(step, expected, version=version, answers=[b"answer %d" % step])
        )


def offer_of(step, key="0", payload=b"a part", *, terms=b"2 shards", alone=False):
    """One entry for a step."""
    return Offer(step=step, terms=terms, entries={key: payload}, alone=alone)


async def test_an_unknown_run_reads_as_nothing(store):
    """Before its first write a run has no head, no answer and no records."""
    reading = await store.read(RUN, 0, 0)
    assert (reading.head, reading.answer, reading.gathered) == (None, None, 0)
    assert await store.records(RUN, after=BEFORE_FIRST, limit=10) == []
    assert await store.latest(RUN, 100) is None
    assert await store.runs(after="", limit=10) == []


async def test_what_is_written_is_read_back_whole(store):
    """Head, record and the answer of each part come back byte for byte."""
    document = bytes(range(256))
    assert await store.write(RUN, write_of(3, document=document, answers=[b"zero", document]))
    reading = await store.read(RUN, 3, 1)
    assert reading.head == head_at(3, document=document)
    assert reading.answer == StoredAnswer(f"{3:064d}", document)
    assert (await store.read(RUN, 3, 0)).answer.body == b"zero"
    assert (await store.read(RUN, 3, 2)).answer is None
    assert await store.latest(RUN, 3) == Record(3, b"step 3, version 1")


async def test_a_write_from_an_outdated_reading_changes_nothing(store):
    """Of two writes that read the same version the second is refused, in full."""
    await take_steps(store, 1)
    assert await store.write(RUN, write_of(10, 1, version=2, answers=[b"first"]))
    assert not await store.write(RUN, write_of(11, 1, version=2, answers=[b"second"]))
    reading = await store.read(RUN, 11, 0)
    assert reading.head.step == 10
    assert reading.answer is None
    assert [record.step for record in await store.records(RUN, after=-1, limit=9)] == [0, 10]


async def test_the_first_write_needs_the_run_to_be_new(store):
    """A run is made once, and one that is not there cannot be continued."""
    assert not await store.write(RUN, write_of(0, 1))
    assert await store.write(RUN, write_of(0))
    assert not await store.write(RUN, write_of(0))


async def test_a_mark_of_another_generation_is_another_mark(store):
    """The version alone does not let a write pass."""
    await take_steps(store, 1)
    other = Write(head=head_at(10, 2, generation=8), expected=Mark(8, 1))
    assert not await store.write(RUN, other)


async def test_of_many_writers_one_wins(open_store):
    """Fifty writes of one version through five connections: one is made."""
    stores = [await open_store() for _ in range(5)]
    await take_steps(stores[0], 1)
    writes = [
        stores[i % 5].write(RUN, write_of(10, 1, version=2, answers=[b"writer %d" % i]))
        for i in range(50)
    ]
    made = await asyncio.gather(*writes)
    assert made.count(True) == 1
    reading = await stores[0].read(RUN, 10, 0)
    assert reading.answer.body == b"writer %d" % made.index(True)
    for store in stores:
        await store.close()


async def test_records_are_paged_in_the_order_of_their_steps(store):
    """Pages begin after a step and hold as many as asked for; step 1000 comes after 20."""
    for version, step in enumerate([3, 20, 1000, 2**53 - 1], start=1):
        await store.write(RUN, write_of(step, version - 1 or None, version=version))
    assert [r.step for r in await store.records(RUN, after=-1, limit=2)] == [3, 20]
    assert [r.step for r in await store.records(RUN, after=20, limit=9)] == [1000, 2**53 - 1]
    assert (await store.latest(RUN, 999)).step == 20
    assert (await store.latest(RUN, 2**53 - 1)).step == 2**53 - 1
    assert await store.latest(RUN, 2) is None
    assert (await store.read(RUN, 0, 0)).head.step == 2**53 - 1


@pytest.mark.promise(42)
async def test_only_the_latest_records_and_answers_are_kept(store):
    """Of nine steps six records and three answers are left."""
    await take_steps(store, 9)
    kept = [record.step for record in await store.records(RUN, after=-1, limit=99)]
    assert kept == [30, 40, 50, 60, 70, 80]
    answers = [(await store.read(RUN, step, 0)).answer for step in range(0, 90, 10)]
    assert [answer is not None for answer in answers] == [False] * 6 + [True] * 3


async def test_answers_expire(open_store):
    """A run that is left alone for long enough loses its answers, and nothing else."""
    store = await open_store(Retention(record_steps=6, answer_steps=3, expire_s=1.0))
    now = replace(head_at(0), updated_at=time.time())
    assert await store.write(RUN, replace(write_of(0, answers=[b"answer"]), head=now))
    assert (await store.read(RUN, 0, 0)).answer is not None
    await store.gather(RUN, offer_of(5))
    await asyncio.sleep(1.3)
    reading = await store.read(RUN, 0, 0)
    assert reading.answer is None
    assert reading.head is not None
    assert await store.latest(RUN, 0) is not None
    again = await store.gather(RUN, offer_of(5, payload=b"another part", terms=b"3 shards"))
    assert again.kept
    await store.close()


async def test_entries_are_gathered_under_one_set_of_terms(store):
    """Entries add up; the same one again changes nothing; other terms are refused."""
    first = await store.gather(RUN, offer_of(5, "0"))
    assert (first.kept, first.head, first.count, list(first.open_steps)) == (True, None, 1, [5])
    assert (await store.gather(RUN, offer_of(5, "0"))).count == 1
    assert (await store.gather(RUN, offer_of(5, "1", b"more"))).count == 2
    refused = await store.gather(RUN, offer_of(5, "2", terms=b"3 shards"))
    assert (refused.kept, refused.terms, refused.count) == (False, b"2 shards", 2)
    assert (await store.read(RUN, 5, 0)).gathered == 2
    there = await store.open_step(RUN, 5)
    assert (there.terms, there.entries) == (b"2 shards", {"0": b"a part", "1": b"more"})


async def test_an_entry_is_never_overwritten(store):
    """Another payload under a key that is taken: nothing of the offer is kept."""
    await store.gather(RUN, offer_of(5, "0"))
    both = Offer(step=5, terms=b"2 shards", entries={"0": b"changed", "1": b"new"})
    clash = await store.gather(RUN, both)
    assert (clash.kept, list(clash.clashes), clash.count) == (False, ["0"], 1)
    assert (await store.open_step(RUN, 5)).entries == {"0": b"a part"}


async def test_nothing_is_gathered_for_a_step_that_was_taken(store):
    """An offer to the step that was taken, or an earlier one, is refused with the head."""
    await take_steps(store, 2)
    for step in (10, 4):
        refused = await store.gather(RUN, offer_of(step))
        assert (refused.kept, refused.count) == (False, 0)
        assert refused.head.step == 10
    assert (await store.gather(RUN, offer_of(11))).kept


async def test_an_offer_may_ask_to_be_alone(store):
    """While another step gathers, earlier or later, it is refused; its own step does not count."""
    assert (await store.gather(RUN, offer_of(5, alone=True))).kept
    assert (await store.gather(RUN, offer_of(5, "1", alone=True))).kept
    for step in (4, 6):
        refused = await store.gather(RUN, offer_of(step, alone=True))
        assert (refused.kept, list(refused.open_steps)) == (False, [5])
    assert (await store.gather(RUN, offer_of(6))).kept


async def test_a_step_is_written_with_exactly_what_was_read_of_it(store):
    """An entry that came in between makes the write fail, and is there to be read again."""
    await store.gather(RUN, offer_of(5, "0"))
    await store.gather(RUN, offer_of(5, "1"))
    assert not await store.write(RUN, write_of(5, gathered=1))
    assert not await store.write(RUN, write_of(5))
    assert await store.write(RUN, write_of(5, gathered=2))


async def test_a_written_step_closes_itself_and_those_before(store):
    """What was gathered up to the step goes, what was gathered for later ones stays."""
    for step in (4, 5, 6):
        await store.gather(RUN, offer_of(step))
    await store.write(RUN, write_of(5, gathered=1))
    gathered = [(await store.read(RUN, step, 0)).gathered for step in (4, 5, 6)]
    assert gathered == [0, 0, 1]
    assert list((await store.gather(RUN, offer_of(6))).open_steps) == [6]


async def test_a_rewind_forgets_what_came_after(store):
    """Records and answers of later steps and all that is gathered are gone, the rest is not."""
    await take_steps(store, 5)
    await store.gather(RUN, offer_of(60))
    back = Head(Mark(8, 3), 20, b"then", 1.5, NOW)
    assert await store.write(RUN, Write(head=back, expected=Mark(7, 5), forget_after=20))
    reading = await store.read(RUN, 60, 0)
    assert (reading.head, reading.gathered) == (back, 0)
    assert [r.step for r in await store.records(RUN, after=-1, limit=9)] == [0, 10, 20]
    answers = [(await store.read(RUN, step, 0)).answer for step in (20, 30, 40)]
    assert [answer is not None for answer in answers] == [True, False, False]
    assert await store.write(
        RUN, Write(head=head_at(30, 4, generation=8), expected=Mark(8, 3), record=Record(30, b"x"))
    )


async def test_a_run_can_be_put_before_its_first_step(store):
    """With everything forgotten, step 0 can be taken again."""
    await take_steps(store, 2)
    back = Head(Mark(8, 0), BEFORE_FIRST, b"empty", 1.5, NOW)
    await store.write(RUN, Write(head=back, expected=Mark(7, 2), forget_after=BEFORE_FIRST))
    assert await store.records(RUN, after=-1, limit=9) == []
    assert (await store.gather(RUN, offer_of(0))).kept


async def test_runs_are_listed_by_name(store):
    """Names come in order, page by page, and a run that only gathers is none yet."""
    for name in ("b", "a.2", "c:3", "a"):
        await take_steps(store, 1, run=name)
    await store.gather("0-gathering", offer_of(0))
    assert [name for name, _ in await store.runs(after="", limit=2)] == ["a", "a.2"]
    assert [name for name, _ in await store.runs(after="a.2", limit=9)] == ["b", "c:3"]
    ((_, head),) = await store.runs(after="b", limit=1)
    assert head == head_at(0)


@pytest.mark.promise(40)
async def test_runs_do_not_see_each_other(store):
    """The same step of two runs is two steps, also where one name begins with the other."""
    await take_steps(store, 3, run="job")
    await take_steps(store, 1, run="job:1")
    await store.gather("job", offer_of(50))
    assert await store.delete("job")
    assert (await store.read("job:1", 0, 0)).answer is not None
    assert len(await store.records("job:1", after=-1, limit=9)) == 1


async def test_a_deleted_run_is_gone_and_may_begin_anew(store):
    """Nothing is left of it, not even what it was gathering."""
    await take_steps(store, 3)
    await store.gather(RUN, offer_of(50))
    assert await store.delete(RUN)
    assert not await store.delete(RUN)
    reading = await store.read(RUN, 50, 0)
    assert (reading.head, reading.gathered) == (None, 0)
    assert (await store.read(RUN, 20, 0)).answer is None
    await take_steps(store, 1)


@pytest.mark.parametrize(("answers", "records"), [(0, 5), (6, 5)])
async def test_answers_are_not_kept_longer_than_records(answers, records):
    """A retention that cannot be is refused."""
    with pytest.raises(ValueError, match="1 <= answer_steps <= record_steps"):
        Retention(record_steps=records, answer_steps=answers)


async def test_it_answers(store):
    """A store that is there answers a ping."""
    await store.ping()


async def test_what_is_written_outlives_the_store(open_store):
    """Opened again, a durable store holds what it held; memory is the same object here."""
    before = await open_store()
    await take_steps(before, 2)
    await before.gather(RUN, offer_of(20))
    await before.close()
    after = await open_store()
    reading = await after.read(RUN, 10, 0)
    assert reading.head == head_at(10, 2)
    assert reading.answer.body == b"answer 10"
    assert (await after.read(RUN, 20, 0)).gathered == 1
    await after.close()
