"""Programs that tests start: those on PATH, else those that `make tools` fetched."""

import os
import shutil

import pytest

from tests.house.source import ROOT

FETCHED = ROOT / ".tools/usr"
FOLDERS = (FETCHED / "bin", FETCHED / "sbin", os.environ["PATH"], "/usr/sbin")
LIBRARIES = ":".join(map(str, (FETCHED / "lib").glob("*-linux-gnu")))


def tool(name: str) -> str | None:
    """Where a program is found, if it is."""
    return shutil.which(name, path=":".join(map(str, FOLDERS)))


def environment() -> dict[str, str]:
    """Variables under which what was fetched finds the libraries that came with it."""
    return {**os.environ, "LD_LIBRARY_PATH": LIBRARIES}


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test without these programs, unless `TOOLS=there` promises them."""
    missing = [name for name in names if tool(name) is None]
    promised = os.environ.get("TOOLS") == "there"
    reason = f"needs {', '.join(missing)}: `make tools` fetches them"
    return pytest.mark.skipif(bool(missing) and not promised, reason=reason)
