"""A real service with a real (tiny, random) SAM 2, real coins, and the client that trainers use."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from skimage import data

from rewards.backends.sam2.opening import open_sam2
from rewards.maths.masks import mask_overlap
from rewards.pipeline import Memo, open_item, prepare
from rewards.ports import Picture
from rewards.registry import lookup
from rewards.sample import Sample
from rewards.specs import ONETHINKER_RELEASED
from tests import coins
from tests.e2e.running import Running, running
from tests.real_media import coins as coins_file
from tests.real_media import video
from tests.rewards.backends.sam2.scenes import pan
from tests.tiny_sam2 import save_tiny_sam2
from trainer_client.client import RewardClient

MASKS = coins.masks()
GROUP = 8


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny SAM 2 on disk."""
    return save_tiny_sam2(tmp_path_factory.mktemp("sam2") / "tiny")


@pytest.fixture(scope="module")
def service(checkpoint, tmp_path_factory) -> Iterator[Running]:
    """A service that looks at images and videos."""
    folder = tmp_path_factory.mktemp("media")
    with running("--sam2", str(checkpoint), "--media-dir", str(folder)) as service:
        yield service


@pytest.fixture
def photograph(tmp_path):
    """The coins, in a file as a trainer has it."""
    path = tmp_path / "coins.png"
    path.write_bytes(coins_file())
    return path


def item(mask, path, **changes):
    """One rollout about a coin."""
    return {
        "kind": "mask",
        "media_type": "image",
        "response": coins.response(mask, **changes),
        "ground_truth": coins.truth(mask),
        "media": {"image": path},
    }


def total(service, name):
    """The value of a metric, over all its labels."""
    lines = service.get("/metrics").data.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if re.split(r"[{ ]", line)[0] == name)


def directly(checkpoint, group, pixels):
    """Draw the masks of a group with the same weights, without any service."""
    row = lookup("mask", "image").masks
    samples = [Sample("mask", one["response"], one["ground_truth"], "image") for one in group]
    prompts = [
        row.prompt(
            prepare(open_item(sample, ONETHINKER_RELEASED, Memo()), ONETHINKER_RELEASED).answer,
            (0.0,),
        )
        for sample in samples
    ]

    async def draw():
        async def read():
            return pixels

        model = open_sam2(checkpoint, device="cpu")
        await model.start()
        height, width, _ = pixels.shape
        drawn = await model.segment_image(Picture("a", height, width, read), prompts)
        await model.close()
        return drawn

    return asyncio.run(draw())


def test_a_group_of_rollouts_is_scored_with_one_embedding(service, checkpoint, photograph):
    """The client uploads the photograph by itself; every score is the IoU of SAM 2's own mask."""
    group = [item(MASKS[2], photograph, shift=12.0 * i) for i in range(GROUP)]
    before = total(service, "reward_masks_frames_encoded_total")
    with RewardClient(service.url) as client:
        results = client.reward(group).results
        again = client.reward(group).results
    assert total(service, "reward_masks_frames_encoded_total") == before + 1
    assert [one.accuracy for one in results] == [one.accuracy for one in again]
    pixels = data.coins()[..., None].repeat(3, axis=2)
    drawn = directly(checkpoint, group, pixels)
    for result, one in zip(results, drawn, strict=True):
        assert result.scorer == "sam2:tiny"
        assert result.parts["predicted_iou"] == pytest.approx(one.predicted_iou)
        assert result.accuracy == pytest.approx(mask_overlap(one.masks[0], MASKS[2]).iou)
    assert len({result.accuracy for result in results}) > 1


def test_a_clip_is_scored_by_j_and_f(service, tmp_path):
    """Three frames of a video are embedded once for three rollouts with different keyframes."""
    path = tmp_path / "pan.mp4"
    path.write_bytes(video(list(pan(3)), fps=1))
    half = {"size": [240, 320], "counts": [0, 240 * 160, 240 * 160]}
    rollouts = [
        {
            "kind": "mask",
            "media_type": "video",
            "response": coins.response(MASKS[0], time=time),
            "ground_truth": {"masks": {"0": half, "2": half}},
            "media": {"video": path},
        }
        for time in (0, 1, 2)
    ]
    before = total(service, "reward_masks_frames_encoded_total")
    with RewardClient(service.url) as client:
        together = [result.accuracy for result in client.reward(rollouts).results]
        [alone] = client.reward(rollouts[1:2]).results
    assert total(service, "reward_masks_frames_encoded_total") == before + 3
    assert alone.accuracy == together[1]
    assert alone.parts["frames"] == 2
    assert all(0.0 < accuracy < 1.0 for accuracy in together)


def test_readiness_and_metrics_tell_of_the_mask_model(service):
    """Its part is ready, and what it did is counted."""
    assert service.get("/readyz").json()["parts"]["masks"] == {"ready": True, "reason": None}
    assert service.get("/info").json()["limits"]["media"]["picture_px"] == 2**24
    assert total(service, "reward_media_bytes") > 0
