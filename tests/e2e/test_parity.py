"""The recorded numbers again, through HTTP: nothing is lost on the way."""

import pytest

from tests.parity import test_paper, test_released


def results(service, items, spec):
    """What came of a batch that must be accepted, item by item."""
    answer = service.post("/reward", {"items": items, "spec": spec, "deadline_ms": 120_000})
    assert answer.status == 200, answer.data
    return answer.json()["results"]


def test_the_released_numbers_come_over_the_wire(service):
    """Every faithful row in one batch, neighbours of all kinds included."""
    rows = test_released.FAITHFUL
    items = [
        {
            "id": row["id"],
            "kind": row["problem_type"],
            "media_type": row["data_type"],
            "response": row["response"],
            "ground_truth": row["ground_truth"],
        }
        for row in rows
    ]
    for row, result in zip(rows, results(service, items, "onethinker-released"), strict=True):
        assert result["id"] == row["id"]
        assert {
            "overall": result["reward"],
            "format": result["format"],
            "accuracy": result["accuracy"],
            "structure_reward": result["structure"],
        } == pytest.approx(row["expected"], abs=1e-12), row["tag"]


def test_the_papers_numbers_come_over_the_wire(service):
    """Every row of the paper's equations in one batch."""
    rows = test_paper.ROWS
    fields = ("kind", "media_type", "response", "ground_truth")
    items = [{name: row[name] for name in fields} for row in rows]
    scored = results(service, items, "onethinker-paper")
    accuracies = [result["accuracy"] for result in scored]
    assert accuracies == pytest.approx([row["accuracy"] for row in rows], abs=1e-12)
