"""What both clients make of answers to `POST /reward`: `trainer_client.client` and `.aio`."""

import hashlib
import json
import time

import pytest

from tests.trainer_client.conftest import rollouts
from tests.trainer_client.scripted import (
    SPEC,
    UNKNOWN,
    garbage,
    problem,
    refusal,
    results,
    unscored,
    verdict,
)
from trainer_client.errors import BadAnswer, BadCall, RewardRefused


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(results(verdict("0", 1.0)), id="too-few"),
        pytest.param(results(verdict("1", 1.0), verdict("0", 1.0)), id="out-of-order"),
        pytest.param(results(*[verdict("0", 1.0)] * 3), id="too-many"),
        pytest.param(results(verdict("0", float("nan")), verdict("1", 1.0)), id="nan"),
        pytest.param(results(verdict("0", None), verdict("1", 1.0)), id="scored-null"),
        pytest.param(results(verdict("0", "1"), verdict("1", 1.0)), id="text"),
        pytest.param(results(verdict("0", True), verdict("1", 1.0)), id="boolean"),
        pytest.param(
            results(unscored("0") | {"reward": 0.0}, verdict("1", 1.0)), id="unscored-zero"
        ),
        pytest.param(garbage(b'{"spec": {}, "results": 1e999}'), id="no-list"),
        pytest.param(garbage(b"[" * 100_000), id="deep"),
        pytest.param(garbage(b"\xff\xfe"), id="no-text"),
    ],
)
def test_an_answer_that_breaks_the_contract_gives_no_rewards(server, client, act):
    """Wrong counts, foreign ids and numbers that are none are refused, not repaired."""
    server.play(*[act] * 3)
    with pytest.raises(BadAnswer) as caught:
        client.reward(rollouts(2))
    assert caught.value.attempts == 3


def test_an_infinite_reward_is_a_bad_answer(server, client):
    """`1e999` is legal JSON and no reward."""
    body = json.dumps({"spec": SPEC, "results": [verdict("0", 7.25)]}).replace("7.25", "1e999")
    server.play(*[garbage(body.encode())] * 3)
    with pytest.raises(BadAnswer, match="inf"):
        client.reward(rollouts(1))


def test_parts_scored_under_different_specs_are_not_mixed(server, client):
    """While the service is being replaced, one batch never gets two scales."""
    server.limits["items"] = 1
    other = SPEC | {"digest": "sha256:1"}
    server.play(lambda handler: handler.reply(200, {"spec": other, "results": [verdict("0", 0.0)]}))
    with pytest.raises(BadAnswer, match="different specs"):
        client.reward([rollouts(1)[0], rollouts(1)[0] | {"id": "0"}])


def test_an_item_without_a_verdict_is_no_zero(server, client):
    """An unscored item has no reward, says why, leaves its neighbours alone, is not sent again."""
    server.play(results(verdict("0", 1.5), unscored("1")))
    response = client.reward(rollouts(2))
    assert response.rewards == [1.5, None]
    assert response.accuracy == [1.0, None]
    (lost,) = response.unscored
    assert (lost.id, lost.error.code, lost.retryable) == ("1", "bad_ground_truth", False)
    assert len(server.posts) == 1


LOST = {"code": "model_failed", "retryable": True}


def test_what_a_machine_in_trouble_left_unscored_is_sent_again(server, client):
    """Only such items go again, each with its whole group, and their verdicts fall into place."""
    first = [unscored("0"), unscored("1", **LOST), verdict("2", 9.0), verdict("3", 3.0)]
    server.play(results(*first))
    items = [i | {"group": g} for i, g in zip(rollouts(4), "abbc", strict=True)]
    assert client.reward(items).rewards == [None, 1.0, 2.0, 3.0]
    assert [item["id"] for item in server.posts[1].json["items"]] == ["1", "2"]


def test_a_verdict_is_never_traded_for_none(server, client):
    """A second round that goes worse, fails, or has another spec leaves the first's verdicts."""
    before, worse = [verdict("0", 1.5), unscored("1", **LOST)], [unscored("0", **LOST)] * 2
    server.play(results(*before), results(*[worse[0], verdict("1", 7.0)]))
    server.play(results(*[verdict("0", 7.0), verdict("1", 7.0)], spec=SPEC | {"version": 2}))
    assert client.reward(rollouts(2, group="a")).rewards == [1.5, None]
    server.play(results(*before), *[garbage()] * 3)
    assert client.reward(rollouts(2, group="a")).rewards == [1.5, None]


def test_lasting_trouble_of_the_machine_ends_after_the_last_round(server, client):
    """A model that stays away costs three rounds and then its items."""
    server.play(*[results(unscored("0", **LOST))] * 9)
    assert client.reward(rollouts(1)).rewards == [None]
    assert len(server.posts) == 3


def test_missing_media_are_uploaded_once_and_the_batch_sent_again(server, client, tmp_path):
    """The service says what it misses; bytes and files go there by their hash."""
    picture, film = b"\x89PNG pixels", tmp_path / "film.mp4"
    film.write_bytes(b"frames" * 1000)
    items = [item | {"media": {"image": picture, "video": film}} for item in rollouts(3)]
    assert client.reward(items).rewards == [0.0, 1.0, 2.0]
    puts = {seen.path: seen.body for seen in server.seen if seen.method == "PUT"}
    assert puts == {
        f"/media/{hashlib.sha256(content).hexdigest()}": content
        for content in (picture, film.read_bytes())
    }
    assert len(server.posts) == 2
    client.reward(items)
    assert len(server.posts) == 3


def test_frames_are_uploaded_each_for_itself(server, client):
    """A video given as images is a list of hashes on the wire, and each image goes up once."""
    film = {"frames": [b"one", b"two", b"one"], "fps": 2.0}
    assert client.reward(rollouts(1, media={"video": film})).rewards == [0.0]
    assert sorted(server.media.values()) == [b"one", b"two"]
    (item,) = server.posts[-1].json["items"]
    hashes = [hashlib.sha256(frame).hexdigest() for frame in film["frames"]]
    assert item["media"] == {"video": {"frames": hashes, "fps": 2.0}}


def test_missing_media_known_only_by_hash_cannot_be_uploaded(server, client):
    """The caller must give the bytes of what the service does not have."""
    (item,) = rollouts(1, media={"image": {"sha256": "0" * 64}})
    with pytest.raises(BadCall, match="only its hash"):
        client.reward([item])
    assert len(server.posts) == 1


def test_a_part_that_is_refused_ends_the_whole_batch(server, client):
    """No answer is made of the other parts, and their retries stop."""
    server.limits["items"] = 1
    server.play(problem(422, "unknown_kind"), *[problem(503, "draining", Retry_After="2")] * 3)
    begun = time.monotonic()
    with pytest.raises(RewardRefused, match="unknown_kind"):
        client.reward(rollouts(4))
    assert time.monotonic() - begun < 2


def test_items_that_are_refused_by_name_cost_nobody_else(server, client, caplog):
    """A request names twenty at a time; what is left is sent again, and the log says how many."""
    items = rollouts(60)
    for at in range(0, 50, 2):
        items[at]["kind"] = UNKNOWN
    answer = client.reward(items)
    assert answer.rewards == [None if at in range(0, 50, 2) else float(at) for at in range(60)]
    assert {result.error.code for result in answer.unscored} == {"unknown_kind"}
    assert [len(seen.json["items"]) for seen in server.posts] == [60, 40, 35]
    assert "20 items are left unscored" in caplog.text


def test_a_batch_of_which_every_item_is_refused_is_a_mistake(client):
    """A column has the wrong name, or the words in it are not ours."""
    with pytest.raises(RewardRefused, match="not known"):
        client.reward([item | {"kind": UNKNOWN} for item in rollouts(30)])


def test_what_is_wrong_with_more_than_items_is_refused(server, client):
    """Without those items the request would be refused all the same."""
    server.play(refusal("/items/1/kind", "/spec"))
    with pytest.raises(RewardRefused):
        client.reward(rollouts(3))
    assert len(server.posts) == 1


def test_refusals_have_an_end(server, client):
    """One bad row after the other is a bad data set."""
    server.play(*[refusal("/items/0/group", code="invalid_request")] * 100)
    with pytest.raises(RewardRefused):
        client.reward(rollouts(200))
    assert len(server.posts) == 21
