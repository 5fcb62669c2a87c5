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


@pytest.mark.parametrize(
    ("errors", "items"),
    [
        pytest.param([{"pointer": "/items/3/kind", "detail": "no"}], {3: "no"}, id="one"),
        pytest.param([{"pointer": "/items/0", "detail": "no"}], {0: "no"}, id="whole"),
        pytest.param(
            [{"pointer": "/items/0/kind", "detail": "no"}, {"pointer": "/spec"}], {}, id="spec-too"
        ),
        pytest.param([{"pointer": "/items/x"}], {}, id="no-number"),
        pytest.param(["/items/0"], {}, id="other-shape"),
        pytest.param({}, {}, id="no-list"),
        pytest.param(None, {}, id="none"),
    ],
)
def test_a_refusal_knows_the_items_it_names(errors, items):
    """Only where nothing else is at fault, or the same would be refused without them."""
    assert RewardRefused("no", status=422, problem={"errors": errors}).items == items
