"""Tests for `reward-service score`."""

import json

import pytest
from typer.testing import CliRunner

from rewards.specs import ONETHINKER_RELEASED
from service.api.schemas.reward import RewardResult
from service.cli import build_cli

TAGGED = "<think>a</think><answer>{}</answer>"
BROKEN = (
    "not json",
    '{"kind": "ocr"}',
    json.dumps({"kind": "OCR", "response": TAGGED.format("a"), "ground_truth": None}),
    json.dumps({"kind": "ocr", "response": None, "ground_truth": "a"}),
    json.dumps({"kind": "ocr", "response": TAGGED.format("a"), "ground_truth": "a", "id": [1]}),
)
SPAN = {"kind": "temporal_grounding", "ground_truth": '{"time": [0, 4]}'}
ROWS = (
    SPAN | {"id": "s0", "response": TAGGED.format('{"time": [0, 2]}')},
    SPAN | {"id": "s1", "task": "charades", "response": TAGGED.format('{"time": [0, 4]}')},
    SPAN | {"id": "s2", "ground_truth": "?", "response": TAGGED.format("?")},
    {"kind": "ocr", "response": "no tags", "ground_truth": "the cat", "id": "o0"},
    {"kind": "telepathy", "response": "?", "ground_truth": "?", "id": "t0"},
    {"kind": "math", "response": TAGGED.format("$\\frac12$"), "ground_truth": "0.5", "id": "m1"},
)


def run(*arguments):
    """The finished command."""
    return CliRunner().invoke(build_cli("score"), ["score", *map(str, arguments)])


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A file with good, bad and broken lines, scored: the process and a result for each line."""
    folder = tmp_path_factory.mktemp("score")
    lines = [json.dumps(row) for row in ROWS]
    (folder / "rows.jsonl").write_text("\n".join([*lines, "", *BROKEN]))
    done = run(folder / "rows.jsonl", "--out", folder / "results.jsonl")
    results = (folder / "results.jsonl").read_text().splitlines()
    return done, [json.loads(result) for result in results]


def cells_of(done, name):
    """Return what stands in the one row of the table that begins with `name`."""
    rows = (line.strip("│ ").split("│") for line in done.stdout.splitlines())
    [cells] = [row for row in rows if row[0].strip() == name]
    return [cell.strip() for cell in cells]


def test_every_line_has_a_result(scored):
    """Results come in order, with the number of their line, whatever the neighbours did."""
    done, results = scored
    assert done.exit_code == 0, done.output
    assert [result["line"] for result in results] == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12]
    assert [result["id"] for result in results] == [row["id"] for row in ROWS] + [None] * 5
    named = {result["id"]: result for result in results}
    assert named["s0"]["accuracy"] == 0.5
    assert named["s2"]["error"]["code"] == "bad_ground_truth"
    assert named["m1"]["accuracy"] == 1.0
    assert named["o0"]["format"] == 0.0
    assert named["t0"]["error"]["code"] == "unknown_kind"


def test_a_line_that_cannot_be_read_is_unscored_for_a_reason(scored):
    """It has every field of a verdict, and what its response earns where that could be read."""
    broken = scored[1][len(ROWS) :]
    assert {result["status"] for result in broken} == {"unscored"}
    assert {result["reward"] for result in broken} == {None}
    codes = ["bad_request", "bad_request", "bad_ground_truth", "bad_request", "bad_request"]
    assert [result["error"]["code"] for result in broken] == codes
    assert [result["kind"] for result in broken] == [None, "ocr", "OCR", "ocr", "ocr"]
    assert [result["format"] for result in broken] == [0.0, 0.0, 1.0, 0.0, 1.0]


def test_a_result_has_the_fields_of_the_wire_and_its_spec(scored):
    """Whoever reads the file knows which constants made each number."""
    fields = set(RewardResult.model_fields) - {"scaled_reward"}
    for result in scored[1]:
        assert set(result) == fields | {"line", "kind", "spec"}
        assert result["spec"] == {
            "name": "onethinker-released",
            "version": 1,
            "digest": ONETHINKER_RELEASED.digest,
        }


def test_bad_lines_are_named_and_not_fatal(scored):
    """Each line that could not be read is named by its number, with the reason."""
    complaints = [text for text in scored[0].stderr.splitlines() if text.startswith("line ")]
    numbers = ["line 8", "line 9", "line 10", "line 11", "line 12"]
    assert [text.partition(":")[0] for text in complaints] == numbers
    assert "expected a field named response" in complaints[1]


def test_the_table_sums_up_by_kind(scored):
    """One row a kind: how many, the mean reward, what was unscored, and the papers' metrics."""
    done = scored[0]
    cells = cells_of(done, "temporal_grounding")
    assert (cells[1], cells[2], cells[5]) == ("3", "1.275", "bad_ground_truth 1")
    assert cells[6] == "mIoU 0.750, R@0.3 1.000, R@0.5 1.000, R@0.7 0.500"
    assert cells_of(done, "charades")[6] == "mIoU 1.000, R@0.3 1.000, R@0.5 1.000, R@0.7 1.000"
    assert cells_of(done, "(unknown kind)")[5] == "unknown_kind 1"


def test_the_table_counts_every_line(scored):
    """Lines that could not be read count in their kind, by reason, or in a row of their own."""
    cells = cells_of(scored[0], "ocr")
    assert (cells[1], cells[5]) == ("5", "bad_request 3, bad_ground_truth 1")
    assert cells_of(scored[0], "(no kind)")[1:6] == ["1", "-", "-", "0.000", "bad_request 1"]


def test_another_spec_may_be_named_or_written(tmp_path):
    """A spec is a name or a file; the table says which one it was."""
    (tmp_path / "own.toml").write_text('name = "plain"\nstructure_weight = 0')
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROWS[1]))
    done = run(tmp_path / "rows.jsonl", "--spec", tmp_path / "own.toml")
    assert "plain sha256:" in done.stdout
    assert "1.000" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["/no/such/file.jsonl"], "/no/such/file.jsonl: No such file or directory"),
        ([__file__, "--spec", "mine"], "unknown spec 'mine'; known: onethinker-released"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, complaint):
    """A mistake on the command line costs one line and no traceback."""
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"reward-service: {complaint}")
    assert len(done.stderr.splitlines()) == 1
