"""`POST /reward` with `"scale": "ema"`: rewards that are scaled as they come."""

import pytest

ANSWERS = ["the cat", "the dog", "a cat", "a dog sat", "the cat sat"]


def items_of(prefix, answers=ANSWERS, **changes):
    """OCR items of one group, more or less right."""
    return [
        {
            "id": f"{prefix}/{number}",
            "group": prefix,
            "kind": "ocr",
            "response": f"<think>a</think><answer>{answer}</answer>",
            "ground_truth": "the cat",
        }
        | changes
        for number, answer in enumerate(answers)
    ]


def stream(service, step, items, **fields):
    """The results of a request that must be accepted."""
    body = {"run": "job", "step": step, "scale": "ema", "items": items} | fields
    answer = service.post("/reward", body)
    assert answer.status == 200, answer.data
    return answer.json()["results"]


def test_scaled_rewards_lead_to_the_same_state_as_a_whole_step(service):
    """Streamed one by one and closed, a step moves the run as the same step sent whole."""
    rewards = [stream(service, 0, [item])[0]["reward"] for item in items_of("p")]
    closed = service.post("/runs/job/close", {"step": 0}).json()
    whole = {
        "run": "whole",
        "step": 0,
        "rewards": rewards,
        "groups": ["p"] * len(rewards),
        "tasks": ["ocr"] * len(rewards),
    }
    expected = service.post("/advantage", whole).json()
    assert closed["tasks"] == expected["tasks"]
    assert (closed["step"], closed["state_version"]) == (0, 1)


def test_every_reward_of_a_step_is_divided_by_the_deviation_before_it(service):
    """The second step is scaled by what the first left, whichever request an item comes in."""
    first = stream(service, 0, items_of("p"))
    assert all(result["scaled_reward"] == result["reward"] for result in first)
    second = [stream(service, 1, [item])[0] for item in items_of("q")]
    sigma = service.get("/runs/job").json()["tasks"]["ocr"]["std"]
    for result in second:
        assert result["scaled_reward"] == result["reward"] / (sigma + 1e-6)


def test_the_task_is_the_kind_unless_the_caller_says_otherwise(service):
    """Segmentation is split by media type, as in the moving averages of the paper."""
    points = [[1, 1], [2, 2], [3, 3]]
    truth = {"boxes": [0, 0, 9, 9], "time": 2.0}
    truth |= {"positive_points": points, "negative_points": points}
    segments = items_of("s", kind="segmentation", media_type="video", ground_truth=truth)
    stream(service, 0, items_of("p") + items_of("q", task="signs") + segments)
    tasks = service.post("/runs/job/close", {"step": 0}).json()["tasks"]
    assert sorted(tasks) == ["ocr", "segmentation/video", "signs"]


def test_an_unscored_item_is_not_scaled(service):
    """It has no reward to divide, and does not count."""
    items = [*items_of("p"), *items_of("q", ["x"], kind="temporal grounding")]
    results = stream(service, 0, items)
    assert results[-1]["status"] == "unscored"
    assert results[-1]["scaled_reward"] is None
    assert list(service.post("/runs/job/close", {"step": 0}).json()["tasks"]) == ["ocr"]


def test_the_same_items_again_are_folded_once(service):
    """A request that is sent again gets the same numbers and changes nothing."""
    assert stream(service, 0, items_of("p")) == stream(service, 0, items_of("p"))
    closed = service.post("/runs/job/close", {"step": 0})
    again = service.post("/runs/job/close", {"step": 0})
    assert closed.json() == again.json()


def test_an_item_cannot_be_another_one(service):
    """The same id with another reward is a conflict."""
    stream(service, 0, items_of("p"))
    changed = items_of("p", ["nothing right"])
    body = {"run": "job", "step": 0, "scale": "ema", "items": changed}
    refusal = service.post("/reward", body)
    assert (refusal.status, refusal.json()["code"]) == (409, "step_conflict")
    assert refusal.json()["facts"]["ids"] == ["p/0"]


def without(name):
    """Items that miss a member."""
    return [{k: v for k, v in item.items() if k != name} for item in items_of("p", ["x"])]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"run": None}, "/run"),
        ({"step": None}, "/step"),
        ({"items": without("group")}, "/items/0/group"),
        ({"items": without("id")}, "/items/0/id"),
        ({"items": items_of("p", ["x"]) * 2}, "/items/1/id"),
        ({"scale": "max"}, "/scale"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_scaling_needs_is_asked_for_by_name(service, fields, pointer):
    """Before anything is scored."""
    body = {"run": "job", "step": 0, "scale": "ema", "items": items_of("p")} | fields
    refusal = service.post("/reward", body)
    assert refusal.status == 422
    assert pointer in [error["pointer"] for error in refusal.json()["errors"]]
    assert service.engine.batches == []


def test_nothing_is_added_unless_it_is_asked_for(service):
    """Results without `scale` are what they always were."""
    answer = service.post("/reward", {"run": "job", "step": 0, "items": items_of("p")})
    assert all("scaled_reward" not in result for result in answer.json()["results"])
    assert service.get("/runs").json()["runs"] == []
