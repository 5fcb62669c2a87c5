"""Tests for `reward-service score`."""

import json

import pytest
from typer.testing import CliRunner

from service.cli import build_cli

TAGGED = "<think>a</think><answer>{}</answer>"
SPAN = {"kind": "temporal_grounding", "ground_truth": '{"time": [0, 4]}'}
ROWS = (
    SPAN | {"id": "s0", "response": TAGGED.format('{"time": [0, 2]}')},
    SPAN | {"id": "s1", "response": TAGGED.format('{"time": [0, 4]}')},
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
    """A file with good, bad and broken lines, scored: the process and the results by id."""
    folder = tmp_path_factory.mktemp("score")
    lines = [json.dumps(row) for row in ROWS]
    lines[2:2] = ["not json", "", '{"kind": "ocr"}']
    (folder / "rows.jsonl").write_text("\n".join(lines))
    done = run(folder / "rows.jsonl", "--out", folder / "results.jsonl")
    results = map(json.loads, (folder / "results.jsonl").read_text().splitlines())
    return done, {result["id"]: result for result in results}


def test_every_good_line_has_a_result(scored):
    """Results come in order, with the number of their line, whatever the neighbours did."""
    done, results = scored
    assert done.exit_code == 0
    assert [result["line"] for result in results.values()] == [1, 2, 6, 7, 8, 9]
    assert results["s0"]["accuracy"] == 0.5
    assert results["s2"]["error"]["code"] == "bad_ground_truth"
    assert results["m1"]["accuracy"] == 1.0
    assert results["o0"]["format"] == 0.0
    assert results["t0"]["error"]["code"] == "unknown_kind"


def test_bad_lines_are_named_and_not_fatal(scored):
    """Each line that could not be read is named by its number, with the reason."""
    complaints = [text for text in scored[0].stderr.splitlines() if text.startswith("line ")]
    assert [text.partition(":")[0] for text in complaints] == ["line 3", "line 5"]
    assert "expected a field named response" in complaints[1]


def test_the_table_sums_up_by_kind(scored):
    """One row a kind: how many, the mean reward, what was unscored, and the papers' metrics."""
    lines = scored[0].stdout.splitlines()
    [row] = [line for line in lines if "temporal_grounding" in line]
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells[:2] == ["temporal_grounding", "3"]
    assert cells[2] == "1.275"
    assert cells[5] == "bad_ground_truth 1"
    assert any("(unknown kind)" in line and "unknown_kind 1" in line for line in lines)
    assert "mIoU 0.750, R@0.3 1.000, R@0.5 1.000, R@0.7 0.500" in row


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
