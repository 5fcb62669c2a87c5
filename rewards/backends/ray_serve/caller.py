"""Typed calls over a link, and what is known of the replicas that answered."""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from typing import Protocol, TypeVar

import msgspec

from rewards.backends.ray_serve.link import Link
from rewards.backends.ray_serve.wire import About, decode, encode, left_s
from rewards.errors import ScorerUnavailable

REPLICAS_REMEMBERED = 32


class Told(Protocol):
    """An answer that says who gives it."""

    @property
    def about(self) -> About:
        """Who answers."""
        ...


Reply = TypeVar("Reply", bound=Told)


class Caller:
    """Asks for one model, counts, and remembers which model and replicas answered."""

    def __init__(self, link: Link, family: str) -> None:
        self._link = link
        self.scorer = f"{family}:{link.address.app}"
        self._totals: dict[str, float] = defaultdict(float)
        self._replicas: OrderedDict[str, Mapping[str, float]] = OrderedDict()

    async def ask(
        self,
        method: str,
        key: str,
        call: msgspec.Struct,
        expected: type[Reply],
        *,
        deadline: float | None,
    ) -> Reply:
        """Return the reply of a replica; raises `ScorerUnavailable`."""
        started = time.monotonic()
        self._totals["calls"] += 1
        try:
            body = await self._link.ask(method, key, encode(call), deadline_s=left_s(deadline))
            reply = decode(body, expected)
        except ScorerUnavailable:
            self._totals["failed_calls"] += 1
            raise
        finally:
            self._totals["call_seconds"] += time.monotonic() - started
        self._remember(reply.about)
        return reply

    def usage(self) -> Mapping[str, float]:
        """Totals of all calls, whether the application is away, and what each replica has done."""
        away = {f"breaker_open/{self._link.address}": float(not self._link.health().ready)}
        done = {
            f"{name}/{replica}": value
            for replica, usage in self._replicas.items()
            for name, value in usage.items()
        }
        return {**self._totals, **away, **done}

    def _remember(self, about: About) -> None:
        self.scorer = about.scorer
        self._replicas[about.replica] = about.usage
        self._replicas.move_to_end(about.replica)
        if len(self._replicas) > REPLICAS_REMEMBERED:
            self._replicas.popitem(last=False)
