"""Tests for `service.access.keys`."""

import hashlib
import json

import pytest

from service.access.keys import Key, KeyRing, Scope, new_key
from service.errors import BadSettings

SECRET, KEY = new_key("job", ["reward"], ["job-*", "test"])
OTHER_SECRET, OTHER = new_key("boss", ["admin", "reward"], ["*"])


def written(**changes):
    """A line of a file, with some of it changed."""
    return json.dumps(json.loads(KEY.line()) | changes).encode()


def test_a_key_is_known_by_its_hash_alone():
    """What is kept of a key is its SHA-256, from which nobody gets it back."""
    assert hashlib.sha256(SECRET.encode()).hexdigest() == KEY.sha256
    assert SECRET not in KEY.line()
    assert len(SECRET) > 43


def test_no_two_keys_are_the_same():
    """Every key is drawn anew, and is as good as any other."""
    assert len({new_key("a", ["reward"], ["*"])[0] for _ in range(100)}) == 100


def test_a_ring_finds_whose_key_it_is():
    """Each key leads to its own line, anything else to none."""
    ring = KeyRing.read((KEY.line() + "\n" + OTHER.line()).encode())
    assert ring.keys == (KEY, OTHER)
    assert ring.find(SECRET.encode()) == KEY
    assert ring.find(OTHER_SECRET.encode()) == OTHER
    for wrong in (b"", SECRET[:-1].encode(), KEY.sha256.encode(), b"\xff" * 10_000):
        assert ring.find(wrong) is None


@pytest.mark.parametrize(
    ("run", "seen"),
    [("job-", True), ("job-7", True), ("test", True), ("Job-7", False), ("a-job-7", False)],
)
def test_a_pattern_holds_for_the_whole_name(run, seen):
    """Patterns are those of shells, and heed case."""
    assert KEY.sees(run) == seen


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "line 1: expected JSON"),
        (b'{"name": "a\xff"}', "line 1: expected JSON"),
        (b"[" * 100_000, "line 1: expected JSON"),
        (b"[]", "line 1: expected an object with name, sha256, scopes, runs"),
        (written(expires=1), "line 1: expected an object with name, sha256, scopes, runs"),
        (written(name=""), "line 1: name: expected 1 to 128 letters, digits or _.:-"),
        (written(name=7), "line 1: name: expected"),
        (written(sha256=SECRET), "line 1: sha256: expected 64 hexadecimal digits"),
        (written(scopes=[]), "line 1: scopes: expected a list of at least one text"),
        (written(scopes="reward"), "line 1: scopes: expected a list of at least one text"),
        (
            written(scopes=["root"]),
            "line 1: scopes: expected reward, advantage, admin; got 'root'",
        ),
        (written(runs=[]), "line 1: runs: expected a list of at least one text"),
        (written(runs=["a b"]), "line 1: runs: expected names of runs, or patterns such as job-*"),
        (b"\n \n", "expected at least one key"),
        (KEY.line().encode() * 2, "expected a name of its own for every key"),
        (written() + b"\n" + written(name="b"), "expected a sha256 of its own for every key"),
        (OTHER.line().encode() + written()[:-9], "line 2: expected JSON"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(line, complaint):
    """What is wrong is said with its line, and no key is ever repeated."""
    with pytest.raises(BadSettings) as refused:
        KeyRing.read(line)
    assert str(refused.value).startswith(complaint)
    assert SECRET not in str(refused.value)


def test_a_key_for_nothing_cannot_be_made():
    """Who makes a key hears at once what it cannot be."""
    with pytest.raises(BadSettings, match="scopes: expected a list"):
        new_key("a", [], ["*"])
    with pytest.raises(BadSettings, match="name: expected"):
        new_key("a b", ["reward"], ["*"])


def test_a_line_comes_back_as_it_was():
    """Writing and reading a key changes nothing."""
    assert Key.read(OTHER.line()) == OTHER
    assert OTHER.scopes == {Scope.ADMIN, Scope.REWARD}
