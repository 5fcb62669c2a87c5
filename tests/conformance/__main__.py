"""Runs the frameworks' own code, each in an environment of its own, against a real service."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from subprocess import DEVNULL

from tests.e2e.running import running
from tests.house.source import ROOT

ENVIRONMENTS = ROOT / "build" / "conformance"
PYTEST = ("-m", "pytest", "-q", "--noconftest", "-c", os.devnull, "--rootdir", str(ROOT))
IN_COMMON = ("aiohttp", "pytest", "urllib3")


# The frameworks pin versions of their own.
INHERITED = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}


@dataclass(frozen=True)
class Framework:
    """A framework at the version that was tried, and the Python that it wants."""

    name: str
    python: str
    requirements: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> Path:
        """Where its environment is."""
        return ENVIRONMENTS / self.name

    def is_possible(self) -> bool:
        """Whether there is such a Python; one may be on the path and still not run."""
        asked = [self.python, "--version"]
        return which(self.python) is not None and not subprocess.call(asked, stdout=DEVNULL)

    def install(self) -> str:
        """Make the environment if need be; return its interpreter."""
        python = str(self.folder / "bin" / "python")
        if not (self.folder / "installed").exists():
            subprocess.run([self.python, "-m", "venv", self.folder], check=True)
            install = [python, "-m", "pip", "install", "--quiet", *IN_COMMON, *self.requirements]
            subprocess.run(install, check=True, env=INHERITED)
            (self.folder / "installed").touch()
        return python


FRAMEWORKS = (
    Framework(
        "verl",
        "python3.11",
        ("verl==0.9.1", "torch==2.13.0", "cachetools", "fastapi", "uvicorn"),
        (
            ("VERL_USE_EXTERNAL_MODULES", "trainer_client.adapters.verl"),
            # Beside any cluster that runs on this machine already.
            ("RAY_ADDRESS", "local"),
        ),
    ),
    Framework("ms_swift", "python3.11", ("ms-swift==4.6.0", "torch==2.13.0")),
    Framework("nemo_gym", "python3.12", ("nemo-gym==0.4.0",)),
    Framework("ray", "python3.11", ("ray==2.60.0",)),
)


def try_out(framework: Framework, url: str) -> bool:
    """Run a framework's contract; whether it held."""
    if not framework.is_possible():
        sys.stdout.write(f"{framework.name} wants {framework.python}, which is not here\n")
        return False
    variables = {
        "PYTHONPATH": str(ROOT),
        "REWARD_SERVICE_URL": url,
        "REWARD_SERVICE_RUN": f"conformance-{framework.name}",
    }
    contract = f"tests/conformance/{framework.name}_contract.py"
    done = subprocess.run(
        [framework.install(), *PYTEST, "-W", "ignore", contract],
        env=INHERITED | variables | dict(framework.variables),
        cwd=ROOT,
        check=False,
    )
    return done.returncode == 0


def main(names: list[str]) -> int:
    """Try the frameworks named, or all; the number of those whose contract did not hold."""
    chosen = [framework for framework in FRAMEWORKS if not names or framework.name in names]
    with running("--store", "memory:") as service:
        held = {framework.name: try_out(framework, service.url) for framework in chosen}
    for name, holds in held.items():
        sys.stdout.write(f"{name}: {'holds' if holds else 'FAILS'}\n")
    return sum(not holds for holds in held.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
