"""The parent's end of a worker process: start it, talk to it, measure it, kill it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.environment import bare_environment

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_UP_S = 60.0


@dataclass(slots=True)
class Worker:
    """A forked process that judges one case after another."""

    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    cpu_s: float = 0.0

    def send(self, message: Mapping[str, Any]) -> None:
        """Queue one JSON line for the worker; never blocks."""
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def receive(self, timeout_s: float) -> dict[str, Any]:
        """Return the next reply.

        Raises `TimeoutError` when none came in time and `EOFError` when the worker is gone or
        talks nonsense.
        """
        try:
            # Python 3.11's wait_for loses a cancellation that meets a finished read.
            async with asyncio.timeout(timeout_s):
                line = await self.reader.readline()
        except ConnectionError:
            line = b""
        try:
            reply: dict[str, Any] = json.loads(line)
        except ValueError:
            raise EOFError from None
        return reply

    def cpu_seconds(self) -> float | None:
        """Return the processor time the worker has used, None where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.writer.close()


class Template:
    """The warm process that workers are forked from."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._spawning = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None

    async def start(self) -> None:
        """Start the process and wait until it has imported everything."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "service.engine.isolation.worker",
                str(theirs.fileno()),
                str(self._memory_bytes),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env=bare_environment(),
                start_new_session=True,
            )
        self._control = ours
        await self._read(1)

    async def fork(self) -> Worker:
        """Return a new worker; restarts the template should it have died."""
        async with self._spawning:
            if self._process is None or self._process.returncode is not None:
                await self.close()
                await self.start()
            return await self._fork()

    async def _fork(self) -> Worker:
        if self._control is None:
            raise RuntimeError("expected a template that was started")
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"f"], [theirs.fileno()])
            pid = int.from_bytes(await self._read(4), "big")
        reader, writer = await asyncio.open_connection(sock=ours)
        return Worker(pid, reader, writer)

    async def _read(self, count: int) -> bytes:
        if self._control is None:
            raise RuntimeError("expected a template that was started")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(START_UP_S):
            data = await loop.sock_recv(self._control, count)
        if len(data) < count:
            raise EOFError("the template of the isolated workers ended while starting")
        return data

    async def close(self) -> None:
        """End the template; workers still running die with it."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None
