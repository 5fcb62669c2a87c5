"""A tiny checkpoint, and what Meta's package makes of the same weights."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_sam2 import save_tiny_sam2

# They import a package that only the process of their own has.
collect_ignore = ["native_process.py", "stub"]

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
PACKAGES = ROOT / "build" / "sam2-native"
# None of them may pull in what it asks for: torchvision breaks transformers on a CPU.
REQUIREMENTS = (
    "sam2",
    "antlr4-python3-runtime",
    "hydra-core",
    "iopath",
    "omegaconf",
    "portalocker",
)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Return the folder of a tiny SAM 2 with random weights."""
    return save_tiny_sam2(tmp_path_factory.mktemp("sam2") / "tiny")


def install_native():
    """Install Meta's package beside the environment, once for all runs."""
    if not (PACKAGES / "sam2").exists():
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(PACKAGES)]
        subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, *REQUIREMENTS],
            check=True,
            env={
                **os.environ,
                "SAM2_BUILD_CUDA": "0",
                "PIP_CONSTRAINT": str(ROOT / "deploy" / "constraints.txt"),
            },
        )
    return PACKAGES


@pytest.fixture(scope="session")
def native(checkpoint, tmp_path_factory):
    """Return what `native_process` found with the tiny weights."""
    results = tmp_path_factory.mktemp("native") / "results.npz"
    paths = (ROOT, install_native(), HERE / "stub")
    subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            HERE / "native_process.py",
            checkpoint / "model.safetensors",
            results,
        ],
        check=True,
        cwd=results.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
    )
    with np.load(results) as arrays:
        return dict(arrays)
