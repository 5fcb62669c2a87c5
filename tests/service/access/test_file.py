"""Tests for `service.access.file`."""

import asyncio
import re

import pytest

from service.access import file
from service.access.file import LARGEST_BYTES, KeyFile
from service.access.keys import new_key
from service.errors import BadSettings

FIRST_SECRET, FIRST = new_key("first", ["reward"], ["*"])
SECOND_SECRET, SECOND = new_key("second", ["reward"], ["*"])


@pytest.fixture
def path(tmp_path):
    """A file with one key."""
    path = tmp_path / "keys.jsonl"
    path.write_text(FIRST.line())
    return path


def reload(keys):
    """What happens every second."""
    asyncio.run(keys._reload())


def test_a_changed_file_changes_the_keys(path):
    """A key that was added is known, one that was taken away is not."""
    keys = KeyFile(path)
    assert keys.find(FIRST_SECRET.encode()) == FIRST
    path.write_text(SECOND.line())
    reload(keys)
    assert keys.find(FIRST_SECRET.encode()) is None
    assert keys.find(SECOND_SECRET.encode()) == SECOND
    assert keys.health()["keys"].ready


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b" " * (LARGEST_BYTES + 1), None])
def test_a_file_that_became_senseless_changes_no_key(path, content):
    """Truncated, emptied, not text, huge or gone: the keys of before hold, and health says so."""
    keys = KeyFile(path)
    path.unlink() if content is None else path.write_bytes(content)
    for _ in range(3):
        reload(keys)
    assert keys.find(FIRST_SECRET.encode()) == FIRST
    health = keys.health()["keys"]
    assert not health.ready
    assert health.reason.startswith("the keys of before are in use: ")
    assert keys.usage() == {"known": 1, "failed_reloads": 1}
    path.write_text(FIRST.line() + SECOND.line())
    reload(keys)
    assert keys.health()["keys"].ready
    assert keys.usage() == {"known": 2, "failed_reloads": 1}


def test_a_file_that_is_read_is_heard_of(path):
    """Every look at the file counts, whether it changed or not."""

    async def main():
        async with KeyFile(path) as keys:
            for _ in range(2):
                before = keys.health()["keys"].heard_at
                async with asyncio.timeout(30):
                    while keys.health()["keys"].heard_at == before:  # noqa: ASYNC110 - not announced
                        await asyncio.sleep(0.01)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "PAUSE_S", 0.01)
        asyncio.run(main())


def test_a_file_that_comes_back_as_it_was_is_well_again(path):
    """Undoing a mistake needs no other change."""
    keys = KeyFile(path)
    path.write_text("{")
    reload(keys)
    path.write_text(FIRST.line())
    reload(keys)
    assert keys.health()["keys"].ready


@pytest.mark.parametrize(
    ("content", "complaint"), [("", "expected at least one key"), (None, "No such file")]
)
def test_at_the_start_a_file_must_make_sense(path, content, complaint):
    """A service that would let nobody in does not start."""
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(BadSettings, match=f"^keys file {re.escape(str(path))}: {complaint}"):
        KeyFile(path)
