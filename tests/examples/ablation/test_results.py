"""Tests for what the ablation's runs come to, by numbers worked out by hand."""

import json
from dataclasses import replace

import pytest

from examples.ablation.pictures import draw_rewards, draw_shares
from examples.ablation.results import (
    Run,
    began,
    level_share,
    measured_arms,
    reached,
    read_results,
    share,
    sum_up,
    task_share,
    tasks_of,
)
from examples.ablation.tables import difference_rows, reward_rows, share_rows

STEPS = 40
EVERY = 4
LEVELS = ("easy", "medium", "hard")


def run(seed, ocr, trainer="ours"):
    """A run in which sums earn 1 throughout, and transcripts as told at each step."""
    norms = {
        "numerical": dict.fromkeys(LEVELS, 2.0),
        "ocr": {"easy": 0.0, "medium": 1.0, "hard": 1.0},
    }
    return Run(
        trainer,
        "ema_grpo",
        seed,
        [{"numerical": 1.0, "ocr": reward} for reward in ocr],
        [norms] * (STEPS // EVERY) if trainer == "ours" else (),
    )


@pytest.fixture
def results():
    """Two seeds of ours and one of TRL's, summed up and read back."""
    rising = [step / STEPS for step in range(STEPS)]
    runs = [run(1, [1.0] * STEPS), run(0, rising), run(0, [0.5] * STEPS, "TRL")]
    return json.loads(json.dumps(sum_up(runs, EVERY)))


def test_curves_are_means_over_spans_of_steps_seeds_in_order(results):
    """Forty steps are four spans; the lower seed comes first, whatever came first."""
    curves = results["arms"]["ema_grpo"]["rewards"]["ocr"]
    assert curves[0] == pytest.approx([0.1125, 0.3625, 0.6125, 0.8625])
    assert curves[1] == [1.0] * 4
    assert results["arms"]["ema_grpo, TRL"]["rewards"]["ocr"] == [[0.5] * 4]
    assert (results["steps"], results["seeds"]) == (STEPS, [0, 1])


def test_what_is_reached_is_the_mean_of_the_last_spans(results):
    """The last three spans of each seed; the first span of all arms and seeds is the start."""
    assert reached(results, "ema_grpo", "ocr") == pytest.approx([(0.3625 + 0.6125 + 0.8625) / 3, 1])
    assert began(results, "ocr") == pytest.approx((0.1125 + 1.0 + 0.5) / 3)
    assert tasks_of(results) == ["numerical", "ocr"]


def test_shares_of_the_gradient_add_up(results):
    """Six of eight parts are the sums'; of the transcripts' two none is of the easy prompts."""
    assert measured_arms(results) == ["ema_grpo"]
    assert task_share(results, "ema_grpo", "numerical") == pytest.approx([0.75] * 4, abs=1e-4)
    assert task_share(results, "ema_grpo", "ocr") == pytest.approx([0.25] * 4, abs=1e-4)
    assert level_share(results, "ema_grpo", "easy") == pytest.approx([1 / 6] * 4, abs=1e-3)
    levels = [level_share(results, "ema_grpo", level) for level in LEVELS]
    assert [sum(spans) for spans in zip(*levels, strict=True)] == pytest.approx([1.0] * 4)


def test_a_step_without_any_gradient_has_no_shares():
    """Where every group agrees nothing is learned, and nothing divided by zero."""
    assert share({"ocr": {"easy": 0.0, "hard": 0.0}}) == {"ocr": {"easy": 0.0, "hard": 0.0}}


def test_tables_say_what_was_reached_and_by_how_much_it_differs():
    """Two seeds of each arm, by hand: means, spreads, and differences seed by seed."""
    arms = [("ours", "grpo", 0.5), ("ours", "dr_grpo", 1.0), ("ours", "ema_grpo", 0.75)]
    runs = [
        replace(run(seed, [reward + seed / 10] * STEPS, trainer), estimator=estimator)
        for seed in (0, 1)
        for trainer, estimator, reward in [*arms, ("TRL", "ema_grpo", 0.75 + 0.02 * seed)]
    ]
    results = sum_up(runs, EVERY)
    head, _, row = reward_rows(results)
    assert head == ("mean reward", "first steps", "grpo", "dr_grpo", "ema_grpo", "ema_grpo, TRL")
    assert row == ("ocr", "0.80", "0.55 ± 0.07", "1.05 ± 0.07", "0.80 ± 0.07", "0.81 ± 0.08")
    assert difference_rows(results)[2] == (
        "ocr",
        "+0.250 ± 0.000",
        "-0.250 ± 0.000",
        "-0.010 ± 0.010",
    )
    assert share_rows(results)[1] == ("numerical", "75%", "75%", "75%")
    assert share_rows(results)[3] == ("easy, of its task's", "17%", "17%", "17%")


def test_results_are_drawn(results, tmp_path):
    """Both pictures are written, and results read back as they were."""
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert read_results(tmp_path / "results.json") == results
    for draw in (draw_rewards, draw_shares):
        draw(results, tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
