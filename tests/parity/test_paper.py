"""The paper's equations, evaluated in double precision by an independent script."""

import json
from pathlib import Path

import pytest

from rewards.pipeline import score_batch
from rewards.sample import Sample
from rewards.specs import ONETHINKER_PAPER

ROWS = [
    json.loads(line)
    for line in Path("tests/golden/rewards_paper.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']}-{row['media_type']}")
def test_accuracy_is_that_of_the_equation(row):
    """Equations 3 to 8 give the recorded accuracy, and the reward adds the format's 1."""
    sample = Sample(row["kind"], row["response"], row["ground_truth"], media_type=row["media_type"])
    (verdict,) = score_batch([sample], ONETHINKER_PAPER)
    assert verdict.accuracy == pytest.approx(row["accuracy"], abs=1e-12)
    assert verdict.reward == pytest.approx(row["accuracy"] + 1.0, abs=1e-12)
