"""Decoding processes that are replaced when they hang, crash or outgrow their memory."""

import asyncio
import contextlib
import json
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from rewards.errors import BadMedia, OutOfTime, WorkerDied
from rewards.ports import Pixels
from service.environment import bare_environment
from service.errors import MediaMissing, TooLarge, Unavailable
from service.media.limits import Description, MediaLimits


@dataclass(frozen=True, slots=True)
class Frames:
    """Decoded RGB frames, shape `(frames, height, width, 3)`, and the time of each."""

    pixels: Pixels
    times_s: tuple[float, ...]


class DecodePool:
    """At most `workers` processes, each with one task at a time, started when first needed.

    A task that takes longer than `task_s`, or more than `memory_bytes`, costs its process, and
    so does a caller who leaves.
    """

    def __init__(
        self,
        limits: MediaLimits,
        *,
        workers: int = 2,
        task_s: float = 60.0,
        memory_bytes: int = 2**31,
    ) -> None:
        self.limits = limits
        self.deaths = 0
        self._task_s = task_s
        self._memory_bytes = memory_bytes
        self._idle: asyncio.LifoQueue[_Decoder | None] = asyncio.LifoQueue()
        self._running: set[_Decoder] = set()
        for _ in range(workers):
            self._idle.put_nowait(None)

    async def describe(self, path: Path) -> Description:
        """Say what a file is.

        Raises `BadMedia`, `TooLarge`, `MediaMissing`, or a retryable error of the machine.
        """
        return Description(**await self._ask({"work": "describe", "path": str(path)}))

    async def decode(self, path: Path, *, fps: float | None = None) -> Frames:
        """Decode an image, or a video sampled `fps` times a second; raises as `describe`."""
        task: dict[str, Any] = {"work": "image"} if fps is None else {"work": "clip", "fps": fps}
        try:
            with tempfile.NamedTemporaryFile(prefix="frames-") as out:
                done = await self._ask({**task, "path": str(path), "out": out.name})
                times_s = tuple(done["times_s"])
                shape = (len(times_s), done["height"], done["width"], 3)
                # The mapping outlives the name, and frames come into memory as they are read.
                return Frames(np.memmap(out.name, np.uint8, "r", shape=shape), times_s)
        except OSError as error:
            raise Unavailable(f"no room for decoded frames: {error.strerror}") from error

    async def close(self) -> None:
        """End every process; tasks under way are lost."""
        await asyncio.gather(*(decoder.end() for decoder in self._running))
        self._running.clear()

    async def _start(self) -> "_Decoder":
        try:
            return await _Decoder.start(self._memory_bytes)
        except OSError:
            raise WorkerDied("no process could be started to decode this content") from None

    async def _ask(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        decoder = await self._idle.get()
        answer = None
        try:
            if decoder is None:
                decoder = await self._start()
                self._running.add(decoder)
            answer = await decoder.ask({**task, "limits": asdict(self.limits)}, self._task_s)
        finally:
            if answer is None and decoder is not None:
                self.deaths += 1
                self._running.discard(decoder)
                decoder.kill()
            self._idle.put_nowait(None if answer is None else decoder)
        return _judged(answer)


class _Decoder:
    """The parent's end of one process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, memory_bytes: int) -> Self:
        """Start a process that holds its memory to `memory_bytes`."""
        command = (sys.executable, "-m", "service.media.decode", str(memory_bytes))
        return cls(
            await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=bare_environment()
            )
        )

    async def ask(self, task: Mapping[str, Any], task_s: float) -> dict[str, Any]:
        """Return the answer to one task; raises `OutOfTime` or `WorkerDied`."""
        try:
            async with asyncio.timeout(task_s):
                line = await self._line(json.dumps(task).encode() + b"\n")
            answer: dict[str, Any] = json.loads(line)
        except TimeoutError:
            raise OutOfTime(f"decoding took longer than {task_s:g} s") from None
        except (OSError, ValueError):
            raise WorkerDied("the process that decoded this content was lost") from None
        return answer

    async def _line(self, task: bytes) -> bytes:
        writer, reader = self._process.stdin, self._process.stdout
        if writer is None or reader is None:
            raise BrokenPipeError
        writer.write(task)
        await writer.drain()
        return await reader.readline()

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """Kill the process and wait until it is gone."""
        self.kill()
        await self._process.wait()


def _judged(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    match answer:
        case {"done": done}:
            return dict(done)
        case {"missing": _}:
            raise MediaMissing("this content was evicted; upload it again")
        case {"excessive": why}:
            raise TooLarge(f"this content is too large: {why}")
        case {"unusable": why}:
            raise BadMedia(f"this content cannot be used: {why}")
    raise WorkerDied("the process that decoded this content talked nonsense")
