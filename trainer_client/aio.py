"""The asynchronous client: aiohttp under the sans-I/O core.

aiohttp, of the extra `async`, is imported at the first call: modules that have a synchronous client
too can be imported without it.
"""

import asyncio
import contextlib
import functools
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from weakref import WeakKeyDictionary

from trainer_client.batching import prepare
from trainer_client.config import ClientConfig
from trainer_client.errors import BadCall, ClientError
from trainer_client.exchange import Patience, exchange
from trainer_client.protocol import (
    INFO_CALL,
    READY_PATH,
    advantage_call,
    close_call,
    rewind_call,
    run_call,
    score,
)
from trainer_client.steps import Call, Lost, Reply, Send, Steps, Together, Wait
from trainer_client.wire.advantages import AdvantageRequest, AdvantageResponse, Filter, Shard
from trainer_client.wire.items import Item, Terms
from trainer_client.wire.rewards import RewardResponse
from trainer_client.wire.service import Info

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

log = logging.getLogger(__name__)


class Lease:
    """A session of one event loop and the number of calls that use it."""

    def __init__(self, session: "aiohttp.ClientSession") -> None:
        self.session = session
        self.users = 0


class AsyncRewardClient:
    """What `RewardClient` does, for event loops.

    Calls that overlap share connections, and the last one closes them, so that nothing is left
    behind when a loop ends and the next call runs in another. `async with` keeps them open
    between calls. It may be shared by loops in several threads and pickles as its settings.
    """

    def __init__(self, where: ClientConfig | str | None = None) -> None:
        self.config = ClientConfig.of(where)
        self._leases: WeakKeyDictionary[asyncio.AbstractEventLoop, Lease] = WeakKeyDictionary()
        self._kept = contextlib.AsyncExitStack()
        self._info: Info | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[ClientConfig]]:
        return type(self), (self.config,)

    async def __aenter__(self) -> Self:
        await self._kept.enter_async_context(self._session())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._kept.aclose()

    async def reward(
        self,
        items: Sequence[Item | Mapping[str, Any]],
        *,
        spec: str | None = None,
        run: str | None = None,
        step: int | None = None,
        scale: str | None = None,
        deadline_ms: int | None = None,
    ) -> RewardResponse:
        """Score a batch of any size; as `RewardClient.reward`."""
        terms = Terms(spec=spec, run=run, step=step, scale=scale, deadline_ms=deadline_ms)
        entries = prepare(items, terms)
        patience = Patience.start(self.config, deadline_ms)
        if self._info is None:
            self._info = await self._run(exchange(INFO_CALL, patience))
        steps = score(entries, self._info, patience, terms)
        return await self._run(steps)

    async def advantage(  # noqa: PLR0913 - the fields of the wire contract, by name
        self,
        *,
        run: str,
        step: int,
        rewards: Sequence[float | None],
        groups: Sequence[str],
        tasks: Sequence[str],
        accuracy: Sequence[float | None] | None = None,
        estimator: str = "ema_grpo",
        spec: str | None = None,
        filter: Filter | None = None,  # noqa: A002 - the wire's word
        shard: Shard | None = None,
    ) -> AdvantageResponse:
        """Take one step of a run; as `RewardClient.advantage`."""
        request = AdvantageRequest(
            run=run,
            step=step,
            rewards=rewards,
            groups=groups,
            tasks=tasks,
            accuracy=accuracy,
            estimator=estimator,
            spec=spec,
            filter=filter,
            shard=shard,
        )
        return await self.call(advantage_call(request))

    async def rewind(self, run: str, step: int) -> Any:
        """Put the run's state back to where it stood after `step`."""
        return await self.call(rewind_call(run, step))

    async def close_step(self, run: str, step: int) -> Any:
        """Fold the rewards that `reward` scaled at `step`; a later step does so by itself."""
        return await self.call(close_call(run, step))

    async def run(self, run: str) -> Any:
        """Return what the service knows of a run."""
        return await self.call(run_call(run))

    async def info(self) -> Info:
        """Return the service's limits, asked anew."""
        self._info = await self.call(INFO_CALL)
        return self._info

    async def ready(self) -> bool:
        """Whether the service says so now; one request, no retries, no error."""
        async with self._session() as session:
            send = Send("GET", READY_PATH, {}, None, self.config.connect_s)
            reply = await self._send(session, send)
        return isinstance(reply, Reply) and reply.status == 200  # noqa: PLR2004 - HTTP's OK

    async def call(self, call: Call[T]) -> T:
        """Make any call of `protocol`, or one of your own, with retries and one key."""
        return await self._run(exchange(call, Patience.start(self.config)))

    async def _run(self, steps: Steps[T]) -> T:
        resume: Callable[[], Send | Wait | Together] = functools.partial(next, steps)
        async with self._session() as session:
            while True:
                try:
                    step = resume()
                except StopIteration as end:
                    return cast(T, end.value)
                try:
                    resume = functools.partial(steps.send, await self._obey(step, session))
                except ClientError as error:
                    resume = functools.partial(steps.throw, error)

    async def _obey(self, step: Send | Wait | Together, session: "aiohttp.ClientSession") -> Any:
        if isinstance(step, Send):
            return await self._send(session, step)
        if isinstance(step, Together):
            return await self._together(step.parts)
        log.warning("%s; trying again in %.2f s", step.why, step.seconds)
        await asyncio.sleep(step.seconds)
        return None

    async def _together(self, parts: Sequence[Steps[Any]]) -> list[Any]:
        room = asyncio.Semaphore(self.config.concurrency)

        async def take(part: Steps[T]) -> T:
            async with room:
                return await self._run(part)

        tasks = [asyncio.ensure_future(take(part)) for part in parts]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, session: "aiohttp.ClientSession", send: Send) -> Reply | Lost:
        import aiohttp

        connect_s = min(self.config.connect_s, send.timeout_s)
        try:
            async with session.request(
                send.method,
                self.config.url.rstrip("/") + send.path,
                data=send.body,
                headers=send.headers,
                timeout=aiohttp.ClientTimeout(total=send.timeout_s, sock_connect=connect_s),
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            return Lost(f"{type(error).__name__}: {error}")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, headers, body)

    @contextlib.asynccontextmanager
    async def _session(self) -> "AsyncIterator[aiohttp.ClientSession]":
        loop = asyncio.get_running_loop()
        lease = self._leases.get(loop)
        if lease is None:
            lease = self._leases[loop] = Lease(_open(self.config))
        lease.users += 1
        try:
            yield lease.session
        finally:
            lease.users -= 1
            if not lease.users:
                del self._leases[loop]
                await lease.session.close()


shared_async_client = functools.cache(AsyncRewardClient)
"""The process's asynchronous client for a URL, for adapters that are functions."""


def _open(config: ClientConfig) -> "aiohttp.ClientSession":
    try:
        import aiohttp
    except ImportError:
        raise BadCall("aiohttp is needed here: pip install 'reward-service[async]'") from None
    trusted = True if config.ca_file is None else ssl.create_default_context(cafile=config.ca_file)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trusted),
        headers=config.request_headers(),
        trust_env=config.trust_env,
    )
