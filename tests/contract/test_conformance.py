"""A real service against its own document, by a tool that tries to prove it wrong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.access.keys import Scope, new_key
from tests.contract.test_document import OPERATIONS
from tests.e2e.running import running

CONFIG = Path(__file__).with_name("schemathesis.toml")
OPTIONS = (
    "--phases=coverage,fuzzing,stateful",
    "--seed=20251203",
    "--generation-database=none",
    "--no-color",
)
STEP = {"run": "job-1", "step": 0, "rewards": [0, 1], "groups": ["g", "g"], "tasks": ["t", "t"]}
LINKS = re.compile(r"API Links: +(\d+) covered / (\d+) selected")


def looking(folder):
    """The options of a service that looks at media, with a model that is soon loaded."""
    from tests.tiny_sam2 import save_tiny_sam2  # what it imports takes seconds

    checkpoint = save_tiny_sam2(folder / "tiny")
    return ("--sam2", str(checkpoint), "--media-dir", str(folder / "media"))


@pytest.mark.promise(9)
@pytest.mark.promise(30)
@pytest.mark.parametrize(
    ("examples", "options"),
    [
        pytest.param(15, lambda _: (), id="short"),
        pytest.param(500, looking, id="long", marks=pytest.mark.long),
    ],
)
def test_the_service_does_what_its_document_says(tmp_path, examples, options):
    """No 5xx, no undocumented status, no body off its schema; bad input is refused throughout.

    So is whoever comes without a key, or with a wrong one. Operations are tried one by one, and in
    a row where the answer of one leads to the next: there is a run to begin with.
    """
    secret, key = new_key("tester", list(Scope), ["*"])
    (tmp_path / "keys.jsonl").write_text(key.line())
    keys = ("--keys", str(tmp_path / "keys.jsonl"))
    with running("--worker-cpu-s", "1", *keys, *options(tmp_path)) as service:
        holding = {"Authorization": f"Bearer {secret}"}
        first = service.http.request("POST", f"{service.url}/advantage", json=STEP, headers=holding)
        assert first.status == 200
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
        command += [f"{service.url}/openapi.json", *OPTIONS, f"--max-examples={examples}"]
        command += ["--header", f"Authorization: Bearer {secret}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
        assert f"Tested: {len(OPERATIONS)}" in done.stdout
        [(covered, selected)] = LINKS.findall(done.stdout)
        assert 0 < int(selected) == int(covered)
        assert service.get("/livez").status == 200
        assert service.logged("failed") == []
