"""What a call asks of a client, and what it is told.

A call is a generator: it yields `Send` and is sent back a `Reply` or `Lost`, yields `Wait` and is
resumed when the time has passed, yields `Together` and is sent the values of all its parts. What
goes wrong is thrown into it. The two clients only obey; every decision is made in generators.
"""

import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from trainer_client.wire.media import Media

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this and wait for the whole answer, at most `timeout_s`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait before the next attempt, and say why."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No complete answer came: refused, reset, timed out, cut short."""

    why: str


@dataclass(frozen=True, slots=True)
class Together:
    """Take these steps side by side and return their values in order; one that fails ends all."""

    parts: "Sequence[Steps[Any]]"


Steps = Generator[Send | Wait | Together, Any, T]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One logical call: however often it is sent, its key stays the same.

    `body` writes the request for the seconds that are left; `read` raises `BadAnswer` for
    what is not an answer to it; `media` is what may be uploaded if the service misses it; a
    `quick` call waits for no scoring and for nobody else.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Callable[[float], bytes] | None = None
    media: Mapping[str, Media] = field(default_factory=dict)
    content_type: str = "application/json"
    quick: bool = True
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    def send(self, left_s: float, timeout_s: float) -> Send:
        """The request for one attempt, `left_s` before the caller gives up."""
        if self.body is None:
            return Send(self.method, self.path, {}, None, timeout_s)
        headers = {"Content-Type": self.content_type, "Idempotency-Key": self.key}
        return Send(self.method, self.path, headers, self.body(left_s), timeout_s)
