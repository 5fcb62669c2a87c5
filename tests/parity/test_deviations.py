"""Every deviation from the released code is named in the README, and is what is said there."""

import json
import re

import pytest

from rewards.errors import BadTruth, UnknownKind
from rewards.kinds.multiple_choice import score_multiple_choice
from rewards.pipeline import score_batch
from rewards.registry import lookup
from rewards.sample import Sample
from rewards.score import Scored, Unscored
from rewards.specs import BUILT_IN, ONETHINKER_RELEASED, Spec
from tests.house.source import ROOT, functions

ISOLATED = "tests/service/engine/isolation/test_pool.py"
HERE = "tests/parity/test_deviations.py"
WITNESSES = {
    "non-finite number": f"{HERE}::test_a_number_without_end_misses",
    "unknown kind": f"{HERE}::test_an_unknown_kind_has_no_number",
    "bad ground truth": f"{HERE}::test_a_bad_truth_leaves_its_item_unscored",
    "endless evaluation": f"{ISOLATED}::test_an_answer_that_takes_too_long_says_so",
    "starved or lost process": f"{ISOLATED}::"
    "test_a_killed_worker_is_replaced_and_its_case_judged_again",
    "precision of advantages": "tests/parity/test_advantages.py::"
    "test_released_advantages_match_the_recorded_float32_ones",
    "unscored rollouts": "tests/rewards/advantages/test_ema_grpo.py::"
    "test_unscored_rollouts_take_no_part",
    "a reward model that is away": "tests/service/engine/test_scoring.py::"
    "test_a_failure_of_the_model_is_never_a_number",
    "text that could be code": f"{HERE}::test_what_could_be_code_is_compared_as_text",
}

GUIDANCE = {
    "positive_points": [[1, 2], [3, 4], [5, 6]],
    "negative_points": [[7, 8], [9, 9], [0, 9]],
}
PICTURE = {"boxes": [0, 0, 9, 9], **GUIDANCE}
TRUTHS = {
    ("numerical", None): 3,
    ("regression", None): 3,
    ("temporal_grounding", None): {"time": [1, 2]},
    ("spatial_grounding", None): {"boxes": [0, 0, 9, 9]},
    ("tracking", None): {"boxes": {"1": [0, 0, 9, 9]}},
    ("spatial_temporal_grounding", None): {"time": [1, 2], "boxes": {"1": [0, 0, 9, 9]}},
    ("segmentation", "image"): PICTURE,
    ("segmentation", "video"): {"time": 1, **PICTURE},
}
ENDLESS = ("NaN", "Infinity", "-Infinity", "1e999", "1e151")
SPOILT = [
    pytest.param(kind, media, truth, id=f"{kind}-{media}-{why}")
    for why, kind, media, truth in (
        ("no number", "numerical", None, "three"),
        ("not finite", "regression", None, "nan"),
        ("too large", "regression", None, "1e151"),
        ("a list", "multiple_choice", None, ["B"]),
        ("not finite", "ocr", None, float("nan")),
        ("endless", "math", None, 10**5000),
        ("null", "math", None, None),
        ("no JSON", "temporal_grounding", None, "from 1 to 2"),
        ("one part", "temporal_grounding", None, {"time": [1]}),
        ("not finite", "spatial_grounding", None, '{"boxes": [0, 0, 9, NaN]}'),
        ("no frames", "tracking", None, {"boxes": {}}),
        ("no time", "spatial_temporal_grounding", None, {"boxes": {"1": [0, 0, 9, 9]}}),
        ("two points", "segmentation", "image", PICTURE | {"positive_points": [[1, 2], [3, 4]]}),
        ("no keyframe", "segmentation", "video", PICTURE),
    )
]


def judge(kind, media, answer, truth, spec=ONETHINKER_RELEASED):
    """The verdict on an answer in its tags."""
    response = f"<think>a</think><answer>{answer}</answer>"
    (verdict,) = score_batch([Sample(kind, response, truth, media_type=media)], spec)
    return verdict


def test_the_readme_names_every_deviation():
    """The table has a row for each deviation, and each row has a test that exists."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| name | released code | here | reason |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([^|-][^|]*?) \|", table, re.MULTILINE) == list(WITNESSES)
    for witness in WITNESSES.values():
        path, name = witness.split("::")
        assert name in {function.name for function in functions(ROOT / path)}, witness


@pytest.mark.parametrize("number", ENDLESS)
@pytest.mark.parametrize(("kind", "media"), TRUTHS)
def test_a_number_without_end_misses(kind, media, number):
    """One such number anywhere in what is scored: accuracy 0 with a reason; structure stays."""
    truth = TRUTHS[kind, media]
    written = json.dumps(truth)
    fair = judge(kind, media, written, truth)
    assert fair.accuracy > 0.9
    for place in [found.start() for found in re.finditer(r"\d+(?=[\],}]|$)", written)]:
        spoilt = written[:place] + re.sub(r"^\d+", number, written[place:])
        verdict = judge(kind, media, spoilt, truth)
        assert isinstance(verdict, Scored)
        assert (verdict.accuracy, verdict.structure) == (0.0, fair.structure), spoilt
        assert "not finite" in verdict.reason


def test_a_number_that_is_not_compared_misses_too():
    """A frame that the truth does not have counts as much as the others here."""
    answer = '{"boxes": {"1": [0, 0, 9, 9], "2": [0, 0, 1, NaN]}}'
    assert judge("tracking", None, answer, TRUTHS["tracking", None]).accuracy == 0.0


@pytest.mark.parametrize("spec", BUILT_IN.values(), ids=lambda spec: spec.name)
@pytest.mark.parametrize(("kind", "media", "truth"), SPOILT)
def test_a_bad_truth_leaves_its_item_unscored(kind, media, truth, spec):
    """Whatever was answered, the dataset is at fault, and says what was expected."""
    for answer in ("1", "{}", json.dumps(TRUTHS.get((kind, media)))):
        verdict = judge(kind, media, answer, truth, spec)
        assert isinstance(verdict, Unscored)
        assert isinstance(verdict.error, BadTruth)
        assert "expected" in str(verdict.error)


def test_an_unknown_kind_has_no_number():
    """A kind that nobody knows is an error that names those that are known."""
    with pytest.raises(UnknownKind, match="known: multiple_choice, numerical"):
        lookup("colour")


@pytest.mark.parametrize("mark", [*"'\"_@;:[]`\u2150\u2179\u218b", "lambda"])
def test_what_could_be_code_is_compared_as_text(mark, monkeypatch):
    """With any of these in either text, sympy is not asked; the same text is still the same."""
    monkeypatch.setattr("mathruler.grader.sympy_parser.parse_expr", _never)
    answer = f"x{mark}y"
    assert score_multiple_choice(answer, "B", Spec()).value == 0.0
    assert score_multiple_choice("B", answer, Spec()).value == 0.0
    assert score_multiple_choice(f"({answer})", f"({answer})", Spec()).value == 1.0


def _never(*_, **__):
    raise AssertionError("sympy was asked")
