"""A real service against its own document, by a tool that tries to prove it wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.access.keys import Scope, new_key
from tests.contract.test_document import OPERATIONS
from tests.e2e.running import running

CONFIG = Path(__file__).with_name("schemathesis.toml")
OPTIONS = (
    "--phases=coverage,fuzzing",
    "--max-examples=15",
    "--seed=20251203",
    "--generation-database=none",
    "--no-color",
)


@pytest.mark.promise(9)
@pytest.mark.promise(30)
def test_the_service_does_what_its_document_says(tmp_path):
    """No 5xx, no undocumented status, no body off its schema; bad input is refused throughout.

    So is whoever comes without a key, or with a wrong one.
    """
    secret, key = new_key("tester", list(Scope), ["*"])
    (tmp_path / "keys.jsonl").write_text(key.line())
    holding = ("--header", f"Authorization: Bearer {secret}")
    with running("--worker-cpu-s", "1", "--keys", str(tmp_path / "keys.jsonl")) as service:
        url = f"{service.url}/openapi.json"
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)]
        done = subprocess.run(
            [*command, "run", url, *OPTIONS, *holding],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
        assert f"Tested: {len(OPERATIONS)}" in done.stdout
        assert service.get("/livez").status == 200
        assert service.logged("failed") == []
