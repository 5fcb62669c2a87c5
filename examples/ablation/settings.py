"""Everything the ablation can be told, from its TOML file."""

import hashlib
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from trainer_client.training.config import Estimator, TrainingConfig
from trainer_client.training.job_file import read_config

FILE = Path(__file__).with_name("ablation.toml")


@dataclass(frozen=True, slots=True)
class PolicyShape:
    """How large the policy is."""

    hidden: int
    layers: int
    heads: int


@dataclass(frozen=True, slots=True)
class ColdStart:
    """How the policy is trained before it meets a reward."""

    steps: int
    batch: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; `job` is what every run has in common."""

    seeds: tuple[int, ...]
    estimators: tuple[Estimator, ...]
    measure_every: int
    policy: PolicyShape
    cold_start: ColdStart
    job: TrainingConfig


def load_settings(path: Path = FILE) -> Settings:
    """Read the settings; their digest names the folder of all that is written under them."""
    text = path.read_text(encoding="utf-8")
    values = tomllib.loads(text)
    job = read_config(values["job"])
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Settings(
        seeds=tuple(values["seeds"]),
        estimators=tuple(values["estimators"]),
        measure_every=values["measure_every"],
        policy=PolicyShape(**values["policy"]),
        cold_start=ColdStart(**values["cold_start"]),
        job=replace(job, output=job.output / digest),
    )
