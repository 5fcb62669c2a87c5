"""What a service and the process that speaks to Ray for it say to each other over a socket."""

import asyncio
from typing import TypeVar

import msgspec

LENGTH_BYTES = 4
READ_AHEAD_BYTES = 1 << 20

Message = TypeVar("Message")


class Call(msgspec.Struct, frozen=True, tag=True):
    """Ask a replica, always the same one for one `key` as long as there is room on it."""

    number: int
    method: str
    key: str
    body: bytes


class Drop(msgspec.Struct, frozen=True, tag=True):
    """Nobody waits for that call any more."""

    number: int


class Answer(msgspec.Struct, frozen=True, tag=True):
    """What a replica answered."""

    number: int
    body: bytes


class Failure(msgspec.Struct, frozen=True, tag=True):
    """Why no replica answered."""

    number: int
    why: str


class State(msgspec.Struct, frozen=True, tag=True):
    """Whether the application can be asked, and what there is to be said of it."""

    ready: bool
    reason: str | None


def send(writer: asyncio.StreamWriter, message: msgspec.Struct) -> None:
    """Queue one message; never blocks."""
    body = msgspec.msgpack.encode(message)
    writer.write(len(body).to_bytes(LENGTH_BYTES, "big"))
    writer.write(body)


async def receive(reader: asyncio.StreamReader, expected: type[Message]) -> Message:
    """Return the next message; raises `EOFError` when the other side is gone."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
        body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        raise EOFError from None
    return msgspec.msgpack.decode(body, type=expected)
