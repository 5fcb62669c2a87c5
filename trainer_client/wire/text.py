"""JSON as the contract wants it: UTF-8, every number finite, every shape checked."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainer_client.errors import BadAnswer, BadCall


def encode(document: Any, where: str) -> bytes:
    """Write JSON as UTF-8; raise `BadCall` for what JSON cannot hold (NaN, infinity, objects)."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadCall(f"{where} cannot be written as JSON: {error}") from None
    return text.encode("utf-8", "replace")


def decode(body: bytes) -> Any:
    """Read JSON, or raise `BadAnswer`.

    >>> decode(b'{"reward": NaN}')
    Traceback (most recent call last):
    trainer_client.errors.BadAnswer: expected JSON; got '{"reward": NaN}'
    """
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        start = body[:200].decode("utf-8", "replace")
        raise BadAnswer(f"expected JSON; got {start!r}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn every sign of a wrong shape into `BadAnswer`, naming what was expected."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"expected {what}; {type(error).__name__}: {error}") from None


def number(value: Any) -> float:
    """Return a finite number as a float, or raise `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(value)


def maybe_number(value: Any) -> float | None:
    """Return a finite number as a float and null as `None`."""
    return None if value is None else number(value)
