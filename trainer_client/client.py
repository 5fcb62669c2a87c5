"""The synchronous client: urllib3 under the sans-I/O core."""

import functools
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Self, TypeVar, cast

import urllib3

from trainer_client.batching import prepare
from trainer_client.config import ClientConfig
from trainer_client.errors import ClientError, RewardUnavailable
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
from trainer_client.transport import connections, transmit
from trainer_client.wire.advantages import AdvantageRequest, AdvantageResponse, Filter, Shard
from trainer_client.wire.items import Item, Terms
from trainer_client.wire.rewards import RewardResponse
from trainer_client.wire.service import Info

T = TypeVar("T")

log = logging.getLogger(__name__)


class RewardClient:
    """Rewards and advantages from a service, or `RewardUnavailable`.

    Give it a URL, a `ClientConfig`, or nothing (then `REWARD_SERVICE_URL` is read). It connects
    at its first call, may be shared by threads, survives a fork, and pickles as its settings.
    """

    def __init__(self, where: ClientConfig | str | None = None) -> None:
        self.config = ClientConfig.of(where)
        self._pool: urllib3.PoolManager | None = None
        self._pid = 0
        self._info: Info | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[ClientConfig]]:
        return type(self), (self.config,)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections; a later call opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    def reward(
        self,
        items: Sequence[Item | Mapping[str, Any]],
        *,
        spec: str | None = None,
        run: str | None = None,
        step: int | None = None,
        scale: str | None = None,
        deadline_ms: int | None = None,
    ) -> RewardResponse:
        """Score a batch of any size; results stand in the order of the items.

        Large batches travel in several requests at once, groups kept whole. Raises `BadCall`,
        `RewardRefused` or `RewardUnavailable`; a single item that could not be scored, or that
        the service refused by name, is no error but a result without a reward.
        """
        terms = Terms(spec=spec, run=run, step=step, scale=scale, deadline_ms=deadline_ms)
        entries = prepare(items, terms)
        patience = Patience.start(self.config, deadline_ms)
        if self._info is None:
            self._info = self._run(exchange(INFO_CALL, patience))
        steps = score(entries, self._info, patience, terms)
        return self._run(steps)

    def advantage(  # noqa: PLR0913 - the fields of the wire contract, by name
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
        """Take one step of a run: its advantages, once and only once however often it is sent.

        Raises `StepRefused` if the run's state stands against it.
        """
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
        return self.call(advantage_call(request))

    def rewind(self, run: str, step: int) -> Any:
        """Put the run's state back to where it stood after `step`."""
        return self.call(rewind_call(run, step))

    def close_step(self, run: str, step: int) -> Any:
        """Fold the rewards that `reward` scaled at `step`; a later step does so by itself."""
        return self.call(close_call(run, step))

    def run(self, run: str) -> Any:
        """Return what the service knows of a run."""
        return self.call(run_call(run))

    def info(self) -> Info:
        """Return the service's limits, asked anew."""
        self._info = self.call(INFO_CALL)
        return self._info

    def ready(self) -> bool:
        """Whether the service says so now; one request, no retries, no error."""
        reply = self._send(Send("GET", READY_PATH, {}, None, self.config.connect_s))
        return isinstance(reply, Reply) and reply.status == 200  # noqa: PLR2004 - HTTP's OK

    def call(self, call: Call[T]) -> T:
        """Make any call of `protocol`, or one of your own, with retries and one key."""
        return self._run(exchange(call, Patience.start(self.config)))

    def _run(self, steps: Steps[T], stop: threading.Event | None = None) -> T:
        resume: Callable[[], Send | Wait | Together] = functools.partial(next, steps)
        while True:
            try:
                step = resume()
            except StopIteration as end:
                return cast(T, end.value)
            try:
                resume = functools.partial(steps.send, self._obey(step, stop or threading.Event()))
            except ClientError as error:
                resume = functools.partial(steps.throw, error)

    def _obey(self, step: Send | Wait | Together, stop: threading.Event) -> Any:
        if isinstance(step, Send):
            return self._send(step)
        if isinstance(step, Together):
            return self._together(step.parts)
        log.warning("%s; trying again in %.2f s", step.why, step.seconds)
        if stop.wait(step.seconds):
            raise RewardUnavailable("another part of the batch failed")
        return None

    def _together(self, parts: Sequence[Steps[Any]]) -> list[Any]:
        if len(parts) == 1:
            return [self._run(parts[0])]
        stop = threading.Event()
        with ThreadPoolExecutor(min(self.config.concurrency, len(parts))) as pool:
            futures = [pool.submit(self._run, part, stop) for part in parts]
            try:
                ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in ended:
                    future.result()
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
            return [future.result() for future in futures]

    def _send(self, send: Send) -> Reply | Lost:
        return transmit(self._connections(), send, self.config)

    def _connections(self) -> urllib3.PoolManager:
        # A forked child must not share sockets with its parent.
        if self._pool is None or self._pid != os.getpid():
            self._pool, self._pid = connections(self.config), os.getpid()
        return self._pool


shared_client = functools.cache(RewardClient)
"""The process's client for a URL, for adapters that are functions."""
