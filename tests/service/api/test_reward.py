"""Tests for `POST /reward` as callers see it."""


def an_item(**changes):
    """An item that scores 1.5 under the released spec."""
    item = {
        "kind": "ocr",
        "response": "<think>a</think><answer>the cat</answer>",
        "ground_truth": "the cat",
    }
    return item | changes


def test_an_item_is_scored(service):
    """One good item comes back with everything that the contract names."""
    answer = service.post("/reward", {"items": [an_item(id="p17/3")]})
    assert answer.status == 200
    assert answer.json()["results"] == [
        {
            "id": "p17/3",
            "status": "scored",
            "reward": 1.5,
            "accuracy": 1.0,
            "format": 1.0,
            "structure": 0.5,
            "parts": {"word_error_rate": 0.0},
            "scorer": "rule",
            "reason": None,
            "error": None,
        }
    ]


def test_an_unknown_kind_refuses_the_whole_request(service):
    """A kind that nobody knows is named, with its place and the kinds that there are."""
    answer = service.post("/reward", {"items": [an_item(), an_item(kind="telepathy")]})
    problem = answer.json()
    assert (answer.status, problem["code"]) == (422, "unknown_kind")
    assert problem["errors"][0]["pointer"] == "/items/1/kind"
    assert "temporal_grounding" in problem["detail"]
