"""One call to one model server: scores, or what went wrong and what may be done about it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

import aiohttp

from rewards.backends.polar_http.dialects import Answer, BadReply, Dialect

LARGEST_REPLY = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of failure: where trying again makes sense, and whether the server is to blame.

    `divides` means that one text may be the reason, so the others deserve a call without it.
    """

    name: str
    again: Literal["anywhere", "elsewhere", "nowhere"]
    blames: bool
    divides: bool = False


UNREACHABLE = Fault("unreachable", "anywhere", blames=True)
SILENT = Fault("silent", "anywhere", blames=True)
AWAY = Fault("away", "anywhere", blames=True)
BUSY = Fault("busy", "anywhere", blames=False)
BROKEN = Fault("broken", "elsewhere", blames=True)
REFUSED = Fault("refused", "elsewhere", blames=True)
CLOSED = Fault("closed", "nowhere", blames=False)
REFUSED_TEXT = Fault("refused_text", "nowhere", blames=False, divides=True)

STATUS_FAULTS: Mapping[int, Fault] = {
    400: REFUSED_TEXT,
    408: BUSY,
    413: REFUSED_TEXT,
    422: REFUSED_TEXT,
    429: BUSY,
    502: AWAY,
    503: AWAY,
    504: AWAY,
}


class CallFailed(Exception):
    """A call that brought no scores; `retry_after_s` is what the server asked for, if it did.

    The message goes to whoever asks how the service is, so it has neither the address of the server
    nor anything that the server said, which may repeat a prompt.
    """

    def __init__(self, fault: Fault, why: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(why)
        self.fault = fault
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Line:
    """A session with the model's servers, and how they want to be talked to."""

    session: aiohttp.ClientSession
    dialect: Dialect
    model: str

    async def call(self, base: str, texts: Sequence[str], timeout_s: float) -> list[Answer]:
        """Score the texts on the server at `base`; raises `CallFailed`."""
        if self.session.closed:
            raise CallFailed(CLOSED, "the model was shut down")
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._post(base, texts)
        except TimeoutError:
            raise CallFailed(SILENT, f"no answer within {timeout_s:.1f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise CallFailed(UNREACHABLE, f"unreachable: {type(error).__name__}") from None
        try:
            return self.dialect.read(reply, len(texts))
        except BadReply as error:
            raise CallFailed(BROKEN, str(error)) from None

    async def _post(self, base: str, texts: Sequence[str]) -> bytes:
        async with self.session.post(
            base + self.dialect.path,
            data=self.dialect.write(texts, self.model),
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
        ) as response:
            if response.status == HTTPStatus.OK:
                return await _read(response)
            raise CallFailed(
                _fault(response.status),
                f"status {response.status}",
                retry_after_s=_seconds(response.headers.get("Retry-After", "")),
            )


def _fault(status: int) -> Fault:
    by_class = BROKEN if status >= HTTPStatus.INTERNAL_SERVER_ERROR else REFUSED
    return STATUS_FAULTS.get(status, by_class)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts = bytearray()
    async for part in response.content.iter_any():
        parts += part
        if len(parts) > LARGEST_REPLY:
            raise CallFailed(BROKEN, f"a reply of more than {LARGEST_REPLY} bytes")
    return bytes(parts)


def _seconds(retry_after: str) -> float:
    # The other form is a date, which no model server sends.
    return float(retry_after) if retry_after.isdecimal() else 0.0
