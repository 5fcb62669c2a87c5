"""Cutting a batch into requests that the service accepts, and joining the answers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer_client.errors import BadAnswer, BadCall, RewardRefused
from trainer_client.wire.items import Item, Terms
from trainer_client.wire.media import Media
from trainer_client.wire.rewards import ItemResult, RewardResponse, SpecTag
from trainer_client.wire.service import Info

ENVELOPE_BYTES = 4096  # room for spec, run, deadline and brackets


@dataclass(frozen=True, slots=True)
class Entry:
    """One item ready to be sent: where it stood in the batch, its id and its JSON."""

    position: int
    item: Item
    body: bytes

    @property
    def id(self) -> str:
        """The id under which the service answers."""
        return str(self.position) if self.item.id is None else self.item.id


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries that travel in one request."""

    entries: tuple[Entry, ...]

    @property
    def media(self) -> Mapping[str, Media]:
        """The content that the entries name, by hash."""
        named = (media for entry in self.entries for media in (entry.item.media or {}).values())
        return dict(file for media in named for file in media.files())

    def read(self, body: bytes) -> RewardResponse:
        """Read the answer to this chunk; raise `BadAnswer` unless it is about these very items."""
        response = RewardResponse.read(body)
        expected = [entry.id for entry in self.entries]
        got = [result.id for result in response.results]
        if got != expected:
            raise BadAnswer(
                f"expected results for {len(expected)} items in their order ({expected!r:.100}); "
                f"got {len(got)} ({got!r:.100})"
            )
        return response


def refusals(chunk: Chunk, error: RewardRefused) -> dict[int, ItemResult]:
    """Return what came of the entries that a refusal names, by their positions in the batch."""
    return {
        entry.position: ItemResult.refused(entry.id, error.code, error.items[place])
        for place, entry in enumerate(chunk.entries)
        if place in error.items
    }


def prepare(items: Sequence[Item | Mapping[str, Any]], terms: Terms) -> list[Entry]:
    """Write every item as JSON; raise `BadCall` for an empty batch, or one against the terms."""
    if not items:
        raise BadCall("expected at least one item")
    read = list(map(Item.of, items))
    terms.check(read)
    return [Entry(position, item, item.encode(position)) for position, item in enumerate(read)]


def cut(entries: Iterable[Entry], info: Info) -> list[Chunk]:
    """Cut a batch into chunks within the service's limits, each group whole in one of them.

    Raises `BadCall` for a group that no request can hold.
    """
    return list(_pack(_by_group(entries), info))


def _by_group(entries: Iterable[Entry]) -> list[list[Entry]]:
    groups: dict[str | int, list[Entry]] = {}
    for entry in entries:
        alone = entry.item.group is None
        groups.setdefault(entry.position if alone else str(entry.item.group), []).append(entry)
    return list(groups.values())


def _pack(groups: Iterable[list[Entry]], info: Info) -> Iterator[Chunk]:
    room = info.max_body_bytes - ENVELOPE_BYTES
    packed: list[Entry] = []
    size = 0
    for group in groups:
        added = sum(len(entry.body) + 1 for entry in group)
        if len(group) > info.max_items or added > room:
            raise BadCall(
                f"group {group[0].item.group!r} has {len(group)} items of {added} bytes; one "
                f"request holds {info.max_items} items of {room} bytes"
            )
        if packed and (len(packed) + len(group) > info.max_items or size + added > room):
            yield Chunk(tuple(packed))
            packed, size = [], 0
        packed += group
        size += added
    yield Chunk(tuple(packed))


def join(chunks: Sequence[Chunk], answers: Sequence[RewardResponse]) -> dict[int, ItemResult]:
    """Return the verdict on each position of the batch."""
    placed: dict[int, ItemResult] = {}
    for chunk, answer in zip(chunks, answers, strict=True):
        placed |= zip((entry.position for entry in chunk.entries), answer.results, strict=True)
    return placed


def only_spec(answers: Sequence[RewardResponse]) -> SpecTag:
    """Return the spec of all answers; raise `BadAnswer` if there is more than one.

    There may be while the service is being replaced by a version that scores otherwise.
    """
    specs = {answer.spec for answer in answers}
    if len(specs) != 1:
        raise BadAnswer(f"parts of one batch were scored under different specs: {specs}")
    return specs.pop()


def unsettled(entries: Sequence[Entry], results: Mapping[int, ItemResult]) -> list[Entry]:
    """Return the items that may yet be scored, each with its whole group.

    Members of one group that were scored in different requests might not be on one scale.
    """
    return [
        entry
        for group in _by_group(entries)
        if any(results[one.position].retryable for one in group)
        for entry in group
    ]


def improve(
    old: Mapping[int, ItemResult], again: Sequence[Entry], new: Mapping[int, ItemResult]
) -> dict[int, ItemResult]:
    """Take the new verdicts on each group of which more was scored than before."""
    results = dict(old)
    for group in _by_group(again):
        positions = [entry.position for entry in group]
        if sum(new[at].scored for at in positions) > sum(old[at].scored for at in positions):
            results |= {at: new[at] for at in positions}
    return results
