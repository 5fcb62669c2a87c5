"""What models on Ray Serve have in common: a link, typed calls, and who answered them."""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from typing import Protocol, TypeVar

import msgspec

from rewards.backends.ray_serve.address import RayAddress
from rewards.backends.ray_serve.link import Link, LinkOptions
from rewards.backends.ray_serve.wire import About, decode, encode, left_s
from rewards.errors import ScorerUnavailable
from rewards.ports import Health

REPLICAS_REMEMBERED = 32


class Told(Protocol):
    """An answer that says who gives it."""

    @property
    def about(self) -> About:
        """Who answers."""
        ...


Reply = TypeVar("Reply", bound=Told)


class RayModel:
    """A model on the replicas of an application, in so far as it does not matter which.

    `scorer` is what the replicas last said that they run; before that, the application's name.
    """

    family: str

    def __init__(self, address: RayAddress, options: LinkOptions | None = None) -> None:
        self._link = Link(address, options)
        self.scorer = f"{self.family}:{address.app}"
        self._totals: dict[str, float] = defaultdict(float)
        self._replicas: OrderedDict[str, Mapping[str, float]] = OrderedDict()

    async def start(self) -> None:
        """Connect; Ray does not have to answer yet."""
        await self._link.start()

    def health(self) -> Health:
        """Ready while a replica runs."""
        return self._link.health()

    async def close(self) -> None:
        """Let go of Ray."""
        await self._link.close()

    async def _ask(
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
