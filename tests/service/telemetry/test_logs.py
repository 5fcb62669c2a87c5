"""Tests for `service.telemetry.logs`, in processes of their own: logging is configured once."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys
import structlog
from service.telemetry.logs import configure_logs
configure_logs(level=sys.argv[1], form=sys.argv[2])
log = structlog.get_logger()
log.debug("details")
log.info("request", route="/reward", status=200)
log.warning("odd \\ud800", object={1})
logging.getLogger("uvicorn.access").info("GET /livez 200")
logging.getLogger("redis").warning("reconnecting in %d s", 5)
"""


def logged(level, form):
    """What the program logs, line by line."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, level, form], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_lines_are_json_with_a_time_in_utc():
    """Whoever collects logs reads one object a line, of ours and of libraries."""
    request, odd, library = map(json.loads, logged("info", "json"))
    assert request.pop("timestamp").endswith("Z")
    assert request == {"event": "request", "route": "/reward", "status": 200, "level": "info"}
    assert odd["object"] == "{1}"
    assert (library["event"], library["level"]) == ("reconnecting in 5 s", "warning")


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("warning", 2), ("error", 0)])
def test_lesser_lines_are_left_out(level, lines):
    """Only what is at least as severe as asked for is written."""
    assert len(logged(level, "json")) == lines


def test_text_is_for_people():
    """On a terminal the same facts stand in words, without colours in a file."""
    request, *_ = logged("info", "text")
    assert "request" in request
    assert "route=/reward" in request
    assert "\x1b" not in request
