"""A chunk of texts is scored by whichever server can, tried again where that makes sense."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from rewards.backends.polar_http.calls import AWAY, BROKEN, BUSY, CallFailed, Line
from rewards.backends.polar_http.dialects import Answer
from rewards.backends.polar_http.options import HttpOptions
from rewards.backends.polar_http.servers import Server, Servers
from rewards.errors import ModelFailed
from rewards.text.polar_prompt import PolarPrompt

PROBE = PolarPrompt.of("What is the capital of China?", "Beijing.", "Beijing.").spell()


class Caller:
    """Chooses servers, makes calls and repeats them; keeps count of both."""

    def __init__(self, line: Line, servers: Servers, options: HttpOptions) -> None:
        self._line = line
        self._servers = servers
        self._options = options
        self._totals: dict[str, float] = defaultdict(float)

    async def score(self, texts: Sequence[str], family: Hashable) -> list[Answer]:
        """One answer for each text, in order; takes as long as it takes.

        A text that a server refuses is told apart from its neighbours by halving the chunk.
        """
        try:
            return await self._persist(texts, family)
        except CallFailed as failed:
            middle = len(texts) // 2
            if not failed.fault.divides or not middle:
                return [ModelFailed(str(failed))] * len(texts)
        return [
            *await self.score(texts[:middle], family),
            *await self.score(texts[middle:], family),
        ]

    async def probe(self, server: Server) -> None:
        """Ask one server for a known score; whatever comes instead takes it out of service.

        Calls that are cut short by their callers' deadlines say nothing about a server, so one at
        work is asked as well: it has more time, and an answer to another call is as good.
        """
        begun = time.monotonic()
        if not server.breaker.allows(begun):
            return
        idle_s, busy_s = self._options.probe_timeout_s, self._options.busy_probe_timeout_s
        try:
            await self._call(server, [PROBE], busy_s if server.in_flight else idle_s)
        except CallFailed as failed:
            if failed.fault is not BUSY and server.last_success < begun:
                server.take_out(failed, time.monotonic())

    def usage(self) -> Mapping[str, float]:
        """Calls made, those that failed, those that were repetitions, and their seconds."""
        return dict(self._totals)

    async def _persist(self, texts: Sequence[str], family: Hashable) -> list[Answer]:
        failed_on: list[Server] = []
        useless: set[Server] = set()
        failure: CallFailed | None = None
        for attempt in range(self._options.attempts):
            server = self._servers.choose(
                family, time.monotonic(), failed=failed_on, without=useless
            )
            if server is None:
                break
            if failure is not None:
                self._totals["retries"] += 1
            if failure is not None and server in failed_on:
                await asyncio.sleep(self._options.pause_s(attempt - 1, failure.retry_after_s))
            try:
                return await self._call(server, texts, self._options.call_timeout_s)
            except CallFailed as failed:
                failure = failed
                failed_on.append(server)
                if failed.fault.again == "nowhere":
                    break
                if failed.fault.again == "elsewhere":
                    useless.add(server)
        raise failure or CallFailed(AWAY, f"no server to ask: {self._servers.health().reason}")

    async def _call(self, server: Server, texts: Sequence[str], timeout_s: float) -> list[Answer]:
        started = time.monotonic()
        server.begin()
        self._totals["calls"] += 1
        try:
            answers = await self._line.call(server.base, texts, timeout_s)
            _refuse_nothing_but_failures(answers)
        except CallFailed as failed:
            self._totals["failed_calls"] += 1
            server.note_failure(failed, time.monotonic())
            raise
        else:
            server.note_success(time.monotonic())
            return answers
        finally:
            server.end()
            self._totals["call_seconds"] += time.monotonic() - started


def _refuse_nothing_but_failures(answers: Sequence[Answer]) -> None:
    # One text may be too much for the model; all of them say that the model is broken.
    failures = [answer for answer in answers if isinstance(answer, ModelFailed)]
    if failures and len(failures) == len(answers):
        raise CallFailed(BROKEN, str(failures[0]))
