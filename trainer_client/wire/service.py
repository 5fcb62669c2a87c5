"""What the service says of itself: limits, and trouble."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from trainer_client.errors import BadAnswer
from trainer_client.wire.text import decode, reading


@dataclass(frozen=True, slots=True)
class Info:
    """The answer of `GET /info`: the limits that a client must keep to, and everything else."""

    max_items: int
    max_body_bytes: int
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read the answer of `GET /info`; raise `BadAnswer` if it names no limits."""
        document = decode(body)
        with reading("the answer of GET /info"):
            limits = document["limits"]
            return cls(int(limits["items"]), int(limits["body_bytes"]), document)


@dataclass(frozen=True, slots=True)
class Problem:
    """An RFC 9457 problem document; what is not one reads as an unnamed problem.

    `facts` are the service's machine-readable facts: limits, both sides of a conflict, hashes.
    """

    code: str | None
    detail: str
    retryable: bool | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read a problem from any body at all: a proxy's page, another API's, or the service's.

        >>> Problem.read(b"<html>Bad Gateway</html>").detail
        '<html>Bad Gateway</html>'
        """
        start = body[:200].decode("utf-8", "replace").strip()
        try:
            document = decode(body)
        except BadAnswer:
            document = None
        if not isinstance(document, dict):
            return cls(None, start, None)
        code, retryable, facts = map(document.get, ("code", "retryable", "facts"))
        return cls(
            code if isinstance(code, str) else None,
            str(document.get("detail") or document.get("title") or start),
            retryable if isinstance(retryable, bool) else None,
            facts if isinstance(facts, dict) else {},
            document,
        )
