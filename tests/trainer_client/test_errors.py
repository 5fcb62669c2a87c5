"""Tests for `trainer_client.errors`."""

import pickle

import pytest

from trainer_client.errors import BadAnswer, BadCall, RewardRefused, RewardUnavailable, StepRefused


@pytest.mark.parametrize(
    "error",
    [
        BadCall("no items"),
        RewardRefused("no", status=422, code="unknown_kind", problem={"facts": {}}),
        StepRefused("no", status=409, code="step_conflict"),
        RewardUnavailable("away", attempts=3, status=503, code="draining"),
        BadAnswer("garbage", attempts=3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_the_way_to_another_process(error):
    """Ranks and actors hear the same error, with all that it knows."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
