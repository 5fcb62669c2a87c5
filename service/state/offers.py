"""What a step gathers before it is complete: shards of its batch, or rewards one by one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from service.state.records import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Entries for a step that is not complete yet, each under its own key.

    All entries of a step agree on `terms`. With `alone` set no other step may be gathering.
    """

    step: int
    terms: bytes
    entries: Mapping[str, bytes]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class OpenStep:
    """Everything that was gathered for a step; the terms are empty if that is nothing."""

    terms: bytes
    entries: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came of an offer: every entry is kept, or, where anything stands in the way, none.

    `terms` are those of the step; `clashes` names the keys that hold something else; `open_steps`
    are all that gather now; `count` is how many entries the step has.
    """

    kept: bool
    head: Head | None
    terms: bytes
    clashes: Sequence[str]
    open_steps: Sequence[int]
    count: int


NOTHING = OpenStep(b"", {})


def judge(
    offer: Offer, head: Head | None, there: OpenStep, open_steps: Collection[int]
) -> Gathered:
    """Say what comes of an offer to a step that holds what is `there`.

    >>> offer = Offer(step=3, terms=b"2 shards", entries={"0": b"a"})
    >>> judge(offer, None, NOTHING, ()).kept
    True
    >>> judge(offer, None, OpenStep(b"2 shards", {"0": b"b"}), (3,)).clashes
    ['0']
    """
    terms = there.terms or offer.terms
    clashes = [
        key for key, payload in offer.entries.items() if there.entries.get(key, payload) != payload
    ]
    crowded = offer.alone and any(step != offer.step for step in open_steps)
    taken = head is not None and head.step >= offer.step
    if taken or crowded or clashes or terms != offer.terms:
        return Gathered(False, head, terms, clashes, sorted(open_steps), len(there.entries))
    count = len({*there.entries, *offer.entries})
    return Gathered(True, head, terms, [], sorted({*open_steps, offer.step}), count)
