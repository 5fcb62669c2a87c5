"""The released code's recorded numbers, and every deviation from them by name."""

import json
from pathlib import Path

import pytest

from rewards.errors import BadTruth, UnknownKind
from rewards.pipeline import score_batch
from rewards.sample import Sample
from rewards.score import Scored, Unscored
from rewards.specs import ONETHINKER_RELEASED

ROWS = [
    json.loads(line)
    for line in Path("tests/golden/rewards.jsonl").read_text(encoding="utf-8").splitlines()
]


def sample_of(row):
    """The item as a caller would send it."""
    return Sample(
        row["problem_type"],
        row["response"],
        row["ground_truth"],
        media_type=row["data_type"],
    )


def deviation(row):
    """The name of the reason why a row is answered otherwise here, or None."""
    if row["problem_type"] in {"", "unknown task"}:
        return "unknown kind"
    if row["tag"] in {"tg-badgt", "seg-gt-notime"}:
        return "bad ground truth"
    if row["tag"] == "seg-image" and "NaN" in row["response"]:
        return "non-finite number"
    return None


FAITHFUL = [row for row in ROWS if deviation(row) is None]
DEVIANT = {row["id"]: row for row in ROWS if deviation(row) is not None}
VERDICTS = dict(
    zip(
        (row["id"] for row in ROWS),
        score_batch(map(sample_of, ROWS), ONETHINKER_RELEASED),
        strict=True,
    )
)


@pytest.mark.parametrize("row", FAITHFUL, ids=lambda row: f"{row['id']}-{row['tag']}")
def test_scores_as_the_released_code_does(row):
    """All four numbers are those that the released code gave, to the last digits."""
    verdict = VERDICTS[row["id"]]
    assert isinstance(verdict, Scored)
    assert {
        "overall": verdict.reward,
        "format": verdict.format,
        "accuracy": verdict.accuracy,
        "structure_reward": verdict.structure,
    } == pytest.approx(row["expected"], abs=1e-12)


def test_only_the_named_deviations_differ():
    """Five of 304 recorded rows are answered otherwise, each for a reason with a name."""
    assert sorted(map(deviation, DEVIANT.values())) == [
        "bad ground truth",
        "bad ground truth",
        "non-finite number",
        "unknown kind",
        "unknown kind",
    ]


@pytest.mark.parametrize("row", DEVIANT.values(), ids=lambda row: f"{row['id']}-{row['tag']}")
def test_a_deviation_is_a_zero_with_a_reason_or_no_number(row):
    """A non-finite answer misses; what cannot be judged has no number at all."""
    verdict = VERDICTS[row["id"]]
    match deviation(row):
        case "non-finite number":
            assert isinstance(verdict, Scored)
            assert (verdict.accuracy, verdict.reason) == (0.0, "a number is not finite")
        case "bad ground truth":
            assert isinstance(verdict, Unscored)
            assert isinstance(verdict.error, BadTruth)
        case _:
            assert isinstance(verdict, Unscored)
            assert isinstance(verdict.error, UnknownKind)
