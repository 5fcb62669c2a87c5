"""POLAR on model servers, behind the `SimilarityModel` port."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import aiohttp

from rewards.backends.polar_http.addresses import Addresses
from rewards.backends.polar_http.caller import Caller
from rewards.backends.polar_http.calls import Line
from rewards.backends.polar_http.options import HttpOptions
from rewards.backends.polar_http.servers import Server, Servers
from rewards.backends.polar_http.spelling import Chunk, into_chunks, spell
from rewards.errors import ModelFailed, OutOfTime, ScorerUnavailable
from rewards.ports import Comparison, Health
from rewards.text.polar_prompt import Tokeniser

Answer = float | ScorerUnavailable

LOOKS_PER_PROBE = 4
UNSTARTED = "the model has not been started"
CLOSED = "the model was shut down"
UNCUTTABLE = ModelFailed("too long to be sent without a tokenizer that can cut it")
LATE = OutOfTime("the deadline came before the score")


class PolarHttp:
    """Scores comparisons on servers that speak one dialect and hold one model.

    With a `tokeniser` (that of the model) long parts are cut as POLAR's own client cuts them;
    without one, a part that might need a cut is not scored.
    """

    def __init__(
        self,
        addresses: Addresses,
        *,
        tokeniser: Tokeniser | None = None,
        options: HttpOptions | None = None,
    ) -> None:
        self._addresses = addresses
        self._tokeniser = tokeniser
        self._options = options or HttpOptions()
        self._servers = Servers(addresses.bases)
        self._slots = asyncio.Semaphore(self._options.calls_per_server * len(addresses.bases))
        self._session: aiohttp.ClientSession | None = None
        self._caller: Caller | None = None
        self._watches: list[asyncio.Task[None]] = []

    @property
    def scorer(self) -> str:
        """`polar:` and the model's name."""
        return f"polar:{self._addresses.model}"

    async def start(self) -> None:
        """Open the connections and ask every server for a score; none of them has to answer."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )
        line = Line(self._session, self._addresses.dialect, self._addresses.model)
        caller = self._caller = Caller(line, self._servers, self._options)
        await asyncio.gather(*map(caller.probe, self._servers.all))
        self._watches = [asyncio.create_task(self._watch(caller, s)) for s in self._servers.all]

    async def compare(
        self, comparisons: Sequence[Comparison], *, deadline: float | None = None
    ) -> list[Answer]:
        """Score each comparison in order; equal ones are sent once."""
        if self._caller is None or self._session is None or self._session.closed:
            return [ModelFailed(UNSTARTED if self._session is None else CLOSED)] * len(comparisons)
        texts = await asyncio.to_thread(spell, dict.fromkeys(comparisons), self._tokeniser)
        found: dict[Comparison, Answer] = dict.fromkeys(texts, UNCUTTABLE)
        chunks = into_chunks({c: text for c, text in texts.items() if text}, self._options)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._score(self._caller, c, deadline)) for c in chunks]
        for chunk, task in zip(chunks, tasks, strict=True):
            found.update(zip(chunk.comparisons, task.result(), strict=True))
        return [found[comparison] for comparison in comparisons]

    def health(self) -> Health:
        """Ready while at least one server answers with scores."""
        if self._session is None or self._session.closed:
            return Health(ready=False, reason=UNSTARTED if self._session is None else CLOSED)
        return self._servers.health()

    def usage(self) -> Mapping[str, float]:
        """Totals of all calls, and by address whether its breaker is open and what it works on."""
        totals = self._caller.usage() if self._caller else {}
        return dict(totals) | dict(self._servers.usage())

    async def close(self) -> None:
        """Stop watching and close the connections."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _score(
        self, caller: Caller, chunk: Chunk, deadline: float | None
    ) -> Sequence[Answer]:
        left_s = None if deadline is None else deadline - time.monotonic()
        try:
            async with asyncio.timeout(left_s), self._slots:
                return await caller.score(chunk.texts, chunk.family)
        except TimeoutError:
            return [LATE] * len(chunk.texts)

    async def _watch(self, caller: Caller, server: Server) -> None:
        pause_s = self._options.probe_every_s / LOOKS_PER_PROBE
        quiet_s = self._options.probe_every_s - pause_s
        while True:
            await asyncio.sleep(pause_s)
            if time.monotonic() >= server.last_success + quiet_s:
                await caller.probe(server)
