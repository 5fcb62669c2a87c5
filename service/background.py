"""Work that goes on beside everything else."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self


class Background(ABC):
    """Works for as long as the block lasts that it is the context of."""

    @abstractmethod
    async def _work(self) -> None:
        """Go on until it is ended."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        """Stop in the midst of it, unless a kind of work has something to finish."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
