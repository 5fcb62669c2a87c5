"""POLAR on Ray Serve, behind the `SimilarityModel` port."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rewards.backends.ray_serve.model import RayModel
from rewards.backends.ray_serve.wire import CompareCall, Compared, Trouble, left_s, to_error
from rewards.errors import ScorerUnavailable
from rewards.ports import Comparison

Outcome = float | ScorerUnavailable

# A prompt belongs to one of so many parts, and a part to one replica: a batch is few calls, and
# the rollouts of one prompt meet on one device, whoever sent them.
PARTS = 16
CALL_ITEMS = 512


class RayPolar(RayModel):
    """Scores comparisons on the replicas of an application."""

    family = "polar"

    async def compare(
        self, comparisons: Sequence[Comparison], *, deadline: float | None = None
    ) -> list[Outcome]:
        """Score each comparison in order; equal ones are sent once."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                (chunk, group.create_task(self._score(part, chunk, deadline)))
                for part, chunk in split(dict.fromkeys(comparisons))
            ]
        found: dict[Comparison, Outcome] = {}
        for chunk, task in tasks:
            found.update(zip(chunk, task.result(), strict=True))
        return [found[comparison] for comparison in comparisons]

    async def _score(
        self, part: int, chunk: list[Comparison], deadline: float | None
    ) -> list[Outcome]:
        call = CompareCall(chunk, left_s(deadline))
        try:
            reply = await self._ask("compare", f"part {part}", call, Compared, deadline=deadline)
        except ScorerUnavailable as error:
            return [error] * len(chunk)
        return [to_error(one) if isinstance(one, Trouble) else one for one in reply.outcomes]


def split(comparisons: Iterable[Comparison]) -> Iterator[tuple[int, list[Comparison]]]:
    """Yield calls of bounded size, each with the part that it belongs to.

    What shares prompt and reference belongs to the same part, in every process.
    """
    parts: dict[int, list[Comparison]] = defaultdict(list)
    for one in comparisons:
        parts[part_of(f"{one.prompt}\0{one.reference}")].append(one)
    for part, members in parts.items():
        for start in range(0, len(members), CALL_ITEMS):
            yield part, members[start : start + CALL_ITEMS]


def part_of(family: str) -> int:
    """The part that a text belongs to, the same in every process.

    >>> part_of("What is the capital of China?")
    8
    """
    digest = hashlib.blake2b(family.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % PARTS
