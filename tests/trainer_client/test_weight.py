"""What a trainer has to install and load for the client."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "torch",
    "transformers",
    "fastapi",
    "starlette",
    "pydantic",
    "uvicorn",
    "redis",
    "numpy",
    "scipy",
    "sympy",
    "nltk",
    "math_verify",
    "rewards",
    "service",
    "orjson",
    "prometheus_client",
}
LONGEST_IMPORT_S = 0.3
# Of an interpreter that imports urllib3 alone, where the promise was made.
PLAIN_IMPORT_S = 0.12
TIMED = "import time, {}; print(time.process_time())"
LOADED = "import sys, json, trainer_client.client; print(json.dumps(sorted(sys.modules)))"
WITHOUT_AIOHTTP = """
import asyncio, importlib, sys
sys.modules["aiohttp"] = None
for name in sys.argv[1:]:
    importlib.import_module(f"trainer_client.adapters.{name}")
from trainer_client.errors import BadCall
from trainer_client.adapters.trl import AsyncRewardFunction
rows = {"prompts": ["2+2?"], "completions": ["4"], "kind": ["math"], "ground_truth": ["4"]}
try:
    asyncio.run(AsyncRewardFunction()(**rows))
except BadCall as error:
    print(error)
"""


def loaded_by(python, cwd):
    """The top-level modules that importing the client brings."""
    done = subprocess.run([python, "-c", LOADED], check=True, capture_output=True, cwd=cwd)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def import_cpu_s(python, cwd, module):
    """The processor time of an interpreter that imports a module, its own start included.

    A busy machine stretches it less than the clock's time; the best of five is what it costs.
    """
    command = [python, "-c", TIMED.format(module)]
    runs = (subprocess.run(command, check=True, capture_output=True, cwd=cwd) for _ in range(5))
    return min(float(run.stdout) for run in runs)


def test_importing_the_client_loads_nothing_heavy():
    """Every rank of a job imports it; none of the scoring or serving comes along."""
    assert not loaded_by(sys.executable, ROOT) & (HEAVY | {"aiohttp"})


def test_every_adapter_can_be_imported_without_aiohttp():
    """Those that only ask synchronously work without the extra, the others say what they need."""
    names = sorted(path.stem for path in (ROOT / "trainer_client/adapters").glob("[a-z]*.py"))
    assert len(names) >= 8
    script = [sys.executable, "-c", WITHOUT_AIOHTTP, *names]
    done = subprocess.run(script, check=False, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pip install 'reward-service[async]'" in done.stdout


@pytest.mark.slow
def test_a_plain_install_brings_no_torch_and_no_server(tmp_path):
    """`pip install .` asks for no such thing; urllib3 is enough of it, and imports at once.

    At once is a time on a machine that imports urllib3 as fast as ours; a slower one has longer.
    """
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    source = shutil.copytree(
        ROOT,
        tmp_path / "source",
        ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"),
    )
    pip = [python, "-m", "pip", "install", "--quiet", "-c", source / "deploy/constraints.txt"]
    plan = tmp_path / "plan.json"
    subprocess.run([*pip, "--dry-run", "--report", plan, source], check=True)
    wanted = {row["metadata"]["name"].lower() for row in json.loads(plan.read_text())["install"]}
    assert "urllib3" in wanted
    assert not wanted & {"torch", "transformers", "fastapi", "starlette", "uvicorn", "aiohttp"}
    subprocess.run([*pip, "--no-deps", source, "urllib3"], check=True)
    assert "trainer_client" in loaded_by(python, tmp_path)
    slowness = max(1.0, import_cpu_s(python, tmp_path, "urllib3") / PLAIN_IMPORT_S)
    client_s = import_cpu_s(python, tmp_path, "trainer_client.client")
    assert client_s < LONGEST_IMPORT_S * slowness
