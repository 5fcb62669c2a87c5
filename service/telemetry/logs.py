"""One line a request, as JSON or as text; never a payload."""

import logging
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TextIO

import structlog

CHATTY_LOGGERS = ("asyncio", "uvicorn.access")


class LossyLogger:
    """Writes a line, and drops it when nobody can read it any more.

    A log whose pipe is broken or whose disk is full must neither fail a request nor keep the
    service from stopping.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line."""
        with suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg


def configure_logs(*, level: str, form: str) -> None:
    """Send the lines of this package and of the libraries below it to stderr in one shape.

    `level` is the least severe to show (`debug` to `error`), `form` is `json` or `text`.
    """
    severity = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *_rendering(form)],
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        logger_factory=lambda *_: LossyLogger(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(form),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=severity, handlers=[handler], force=True)
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _rendering(form: str) -> Sequence[Any]:
    if form == "text":
        return (structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),)
    # The standard encoder: slower than orjson, but there is no text that it cannot write.
    return (structlog.processors.JSONRenderer(),)


def frames(error: BaseException) -> list[str]:
    """Where an error came from, innermost last, without its message: that may hold a payload.

    >>> try:
    ...     int("a secret")
    ... except ValueError as error:
    ...     [frame.split(":")[0] for frame in frames(error)]
    ['<doctest service.telemetry.logs.frames[0]>']
    """
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
