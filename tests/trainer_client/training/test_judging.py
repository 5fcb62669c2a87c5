"""Tests for `trainer_client.training.judging`, against a real service."""

import pytest
import torch

from trainer_client.errors import BadAnswer
from trainer_client.training.config import ServiceConfig
from trainer_client.training.data import Question
from trainer_client.training.judging import is_relative, judge, list_items, weigh
from trainer_client.training.rollouts import Rollouts

SERVICE = ServiceConfig()
RIGHT = "<think>t</think><answer>A</answer>"
WRONG = "<think>t</think><answer>B</answer>"


def rollouts(*texts, size):
    """Rollouts of which only the text matters."""
    empty = torch.zeros(len(texts), 1)
    return Rollouts((), size, empty, empty.bool(), texts)


def test_every_rollout_is_judged_by_its_own_question(client):
    """Groups stand in the order of the questions, verdicts in that of the rollouts."""
    questions = [Question("a", "?", "multiple_choice", "A"), Question("b", "?", "ocr", "B")]
    drawn = rollouts(RIGHT, WRONG, RIGHT, WRONG, size=2)
    verdicts = judge(client, SERVICE, "judging", questions, drawn)
    assert [verdict.accuracy for verdict in verdicts] == [1, 0, 0, 1]
    assert [verdict.id for verdict in verdicts] == ["0:a#0", "0:a#1", "1:b#0", "1:b#1"]


def test_a_question_asked_twice_makes_two_groups(client):
    """Each is measured against its own mean."""
    questions = [Question("a", "?", "multiple_choice", "A")] * 2
    drawn = rollouts(RIGHT, WRONG, WRONG, WRONG, size=2)
    verdicts = judge(client, SERVICE, "twice", questions, drawn)
    weighed = weigh(client, SERVICE, "twice", 1, questions, verdicts)
    one, other, *rest = weighed.advantages
    assert one == pytest.approx(-other)
    assert one > 0
    assert rest == [0, 0]


def test_the_estimator_and_the_filter_are_those_of_the_job(client):
    """Dr. GRPO divides by nothing; a group that is all wrong is dropped."""
    service = ServiceConfig(estimator="dr_grpo", keep=(0.01, 0.99))
    questions = [Question(name, "?", "multiple_choice", "A") for name in "ab"]
    drawn = rollouts(RIGHT, WRONG, WRONG, WRONG, size=2)
    verdicts = judge(client, service, "settings", questions, drawn)
    weighed = weigh(client, service, "settings", 1, questions, verdicts)
    assert weighed.advantages[:2] == pytest.approx((0.45, -0.45))
    assert weighed.kept == (True, True, False, False)


@pytest.mark.parametrize("role", ["image", "video"])
def test_a_mask_travels_with_what_it_is_drawn_on(tmp_path, role):
    """The service is told which pixels; a kind that does without is not."""
    path = tmp_path / "file"
    path.write_bytes(b"pixels")
    shown = {f"{role}s": (path,)}
    questions = [Question(kind, "?", kind, "x", **shown) for kind in ("mask", "ocr")]
    mask, ocr = list_items(questions, rollouts(RIGHT, RIGHT, size=1))
    assert mask.media.keys() == {role}
    assert mask.media[role].read() == b"pixels"
    assert ocr.media is None


def test_the_released_spec_places_what_a_model_scored_within_its_group(client):
    """The paper's takes the score as it is; a spec that is not there is an error."""
    assert is_relative(client, "onethinker-released")
    assert not is_relative(client, "onethinker-paper")
    with pytest.raises(BadAnswer, match="expected GET /specs with mine among them"):
        is_relative(client, "mine")
