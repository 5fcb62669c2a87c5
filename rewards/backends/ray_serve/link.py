"""The service's end of the process that speaks to Ray: started, watched, and started again."""

import asyncio
import contextlib
import itertools
import socket
import sys
import time
from dataclasses import dataclass, replace

from rewards.backends.ray_serve.address import RayAddress
from rewards.backends.ray_serve.frames import (
    READ_AHEAD_BYTES,
    Answer,
    Call,
    Drop,
    Failure,
    State,
    receive,
    send,
)
from rewards.errors import ModelFailed, OutOfTime
from rewards.ports import Health

UNSTARTED = Health(ready=False, reason="the model has not been started")
CONNECTING = Health(ready=False, reason="connecting to Ray")
CLOSED = Health(ready=False, reason="the model was shut down")
LATE = "the deadline came before the answer"
DRIVER = (sys.executable, "-m", "rewards.backends.ray_serve.driver")


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How patient a link is, in seconds.

    `first_word_s` is how long a start waits to hear how the application is, `silence_s` after
    which silence the process is taken for hung, `pause_s` how long after one the next is started.
    """

    first_word_s: float = 20.0
    silence_s: float = 90.0
    pause_s: float = 1.0


class Link:
    """Asks an application of Ray Serve through a process of its own."""

    def __init__(self, address: RayAddress, options: LinkOptions | None = None) -> None:
        self.address = address
        self._options = options or LinkOptions()
        self._health = UNSTARTED
        self._heard_at: float | None = None
        self._heard = asyncio.Event()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process, and wait a while for its first word; Ray does not have to answer."""
        self._health, self._heard_at = CONNECTING, time.monotonic()
        self._keeping = asyncio.create_task(self._keep())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.first_word_s):
                await self._heard.wait()

    async def ask(self, method: str, key: str, body: bytes, *, deadline_s: float | None) -> bytes:
        """Return what a replica answers within `deadline_s`.

        Raises `ModelFailed` when there is none to ask or it was lost on the way, and `OutOfTime`.
        """
        if not self._health.ready or self._writer is None:
            raise ModelFailed(self._health.reason or CONNECTING.reason)
        number, writer = next(self._numbers), self._writer
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(deadline_s):
                send(writer, Call(number, method, key, body))
                return await answer
        except TimeoutError:
            raise OutOfTime(LATE) from None
        finally:
            if self._waiting.pop(number, None) and not writer.is_closing():
                send(writer, Drop(number))

    def health(self) -> Health:
        """What the process said last."""
        return replace(self._health, heard_at=self._heard_at)

    async def close(self) -> None:
        """End the process; who still waits gets no answer."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        self._health = CLOSED

    async def _keep(self) -> None:
        while True:
            try:
                # A machine out of processes or files may have some again.
                with contextlib.suppress(OSError):
                    await self._live()
            finally:
                self._lose()
            await asyncio.sleep(self._options.pause_s)

    async def _live(self) -> None:
        """Start a process and listen to it until it ends or says nothing any more."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, self._writer = await asyncio.open_connection(sock=ours, limit=READ_AHEAD_BYTES)
            process = await asyncio.create_subprocess_exec(
                *DRIVER,
                str(theirs.fileno()),
                self.address.cluster,
                self.address.app,
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            await self._listen(reader)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(EOFError, TimeoutError):
            while True:
                async with asyncio.timeout(self._options.silence_s):
                    message = await receive(reader, Answer | Failure | State)  # type: ignore[arg-type]  # mypy knows no type of a union
                self._hear(message)

    def _hear(self, message: Answer | Failure | State) -> None:
        if isinstance(message, State):
            self._health = Health(message.ready, message.reason)
            self._heard_at = time.monotonic()
            self._heard.set()
            return
        answer = self._waiting.pop(message.number, None)
        if answer is None or answer.done():
            return
        if isinstance(message, Answer):
            answer.set_result(message.body)
        else:
            answer.set_exception(ModelFailed(f"no replica answered: {message.why}"))

    def _lose(self) -> None:
        """Tell everybody who waits that the process is gone."""
        if self._writer is not None:
            self._writer.close()
        if self._health.ready or self._health is CONNECTING:
            self._health = Health(ready=False, reason="the connection to Ray was lost")
        self._heard.set()
        lost, self._waiting, self._writer = self._waiting, {}, None
        for answer in lost.values():
            if not answer.done():
                answer.set_exception(ModelFailed("the connection to Ray was lost"))
