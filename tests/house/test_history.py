"""A branch adds to what others have landed, and never puts an older state of it back.

Moving a branch to `main` while keeping its files (`git reset --soft main`) makes a commit that
undoes everything landed since the branch began. Rebase instead.
"""

import subprocess

import pytest

from tests.house.source import ROOT

MEANT = ("remove", "revert", "replace", "move", "rename", "give way", "no longer", "gone")


def git(*words: str) -> list[str]:
    """The lines that a git command prints."""
    done = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def has_branch() -> bool:
    """Whether there is a `main` that this checkout is ahead of."""
    known = git("for-each-ref", "--format=%(refname:short)", "refs/heads/main")
    return bool(known) and bool(git("rev-list", "-1", "main..HEAD"))


def changed(kind: str) -> list[str]:
    """The files that this branch deletes (`D`) or modifies (`M`), renames told apart."""
    return git("diff", "--name-only", "--find-renames", f"--diff-filter={kind}", "main", "HEAD")


def is_meant() -> bool:
    """Whether a commit of this branch says that it takes something away."""
    told = " ".join(git("log", "--format=%B", "main..HEAD")).lower()
    return any(word in told for word in MEANT)


def older_blobs(path: str) -> set[str]:
    """What `path` held on `main` before its present content."""
    commits = git("log", "--format=%H", "main", "--", path)[1:]
    listed = [git("ls-tree", commit, "--", path) for commit in commits]
    return {lines[0].split()[2] for lines in listed if lines}


needs_branch = pytest.mark.skipif(not has_branch(), reason="this is main itself")


@needs_branch
def test_a_branch_says_so_when_it_takes_files_away():
    """Files that are on `main` disappear only where a commit message says that something goes."""
    assert is_meant() or changed("D") == []


@needs_branch
def test_a_branch_puts_no_old_version_back():
    """No file becomes again what it was on `main` before somebody changed it."""
    back = [
        path
        for path in changed("M")
        if git("ls-tree", "HEAD", "--", path)[0].split()[2] in older_blobs(path)
    ]
    assert is_meant() or back == []
