"""Where in a body something stands that parsers do not point at."""

import json
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


class Twice:
    """Stands where an object was that holds `name` twice."""

    def __init__(self, name: str) -> None:
        self.name = name


def place_of_surrogate(body: bytes) -> Path:
    r"""Return the path to the first text with half a character in it, `()` if there is none.

    >>> place_of_surrogate(rb'{"items": [{"id": "a"}, {"id": "\ud800"}]}')
    ('items', 1, 'id')
    """
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    halves = (path for path, value in _walk(tree) if isinstance(value, str) and _is_half(value))
    return next(halves, ())


def place_of_twice(tree: Any) -> Path:
    """Return the path to the name that stands twice, in a tree with a `Twice`."""
    return next((*path, one.name) for path, one in _walk(tree) if isinstance(one, Twice))


def _walk(tree: Any) -> Iterator[tuple[Path, Any]]:
    pending: list[tuple[Path, Any]] = [((), tree)]
    while pending:
        path, value = pending.pop()
        yield path, value
        if isinstance(value, dict):
            pending.extend(((*path, name), value[name]) for name in reversed(value))
        elif isinstance(value, list):
            pending.extend(((*path, at), value[at]) for at in reversed(range(len(value))))


def _is_half(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
