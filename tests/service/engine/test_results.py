"""Tests for verdicts as they are written down."""

import pytest

from rewards.errors import BadTruth
from rewards.score import Scored, Unscored
from service.api.schemas.reward import RewardResult
from service.engine.results import clean, write_result


def test_clean_text_is_short_and_encodable():
    """What leaves in a message fits any JSON writer."""
    assert clean("\udfff" * 2000).encode() == b"?" * 1000


@pytest.mark.parametrize(
    "verdict",
    [Scored(1.0, 0.5, 1.0, 0.0, reason="\udfff"), Unscored(1.0, 0.5, BadTruth("\udfff"))],
)
def test_a_result_is_what_the_contract_says(verdict):
    """Every field is there for either verdict, and what is not known is null."""
    written = write_result("p1", verdict)
    assert set(written) == set(RewardResult.model_fields) - {"scaled_reward"}
    assert RewardResult.model_validate(written).id == "p1"
