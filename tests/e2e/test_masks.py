"""A real service with a real (tiny, random) SAM 2, real coins, and the client that trainers use."""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
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
from tests.house.source import ROOT
from tests.real_media import coins as coins_file
from tests.real_media import encoded, png_that_declares, video, webp_that_declares
from tests.rewards.backends.sam2.scenes import pan
from tests.tiny_sam2 import save_tiny_sam2
from trainer_client.aio import AsyncRewardClient
from trainer_client.client import RewardClient

MASKS = coins.masks()
GROUP = 8
EXAMPLES = ROOT / "examples" / "mask"
MOST_GROWTH_BYTES = 50 * 2**20


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny SAM 2 on disk."""
    return save_tiny_sam2(tmp_path_factory.mktemp("sam2") / "tiny")


@pytest.fixture(scope="module")
def options(checkpoint, tmp_path_factory):
    """The model, and the folder of what is uploaded."""
    return ("--sam2", str(checkpoint), "--media-dir", str(tmp_path_factory.mktemp("media")))


@pytest.fixture(scope="module")
def service(options) -> Iterator[Running]:
    """A service that looks at images and videos."""
    with running(*options) as service:
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
    assert total(service, "reward_masks_frames_encoded_total") > 0
    assert total(service, "reward_masks_judge_seconds_total") > 0
    assert total(service, "reward_masks_active_px") == 0


def test_a_man_who_walks_by_is_scored(service):
    """Of 31 frames of a real video four are looked at, one a second, and two are annotated."""
    row = json.loads((EXAMPLES / "walk.json").read_text(encoding="utf-8"))
    put(service, (EXAMPLES / row["media"]["video"]).read_bytes())
    walk = {"sha256": digest_of((EXAMPLES / "walk.mp4").read_bytes()), "fps": row["media"]["fps"]}
    later = row["response"].replace('"time": 1.0', '"time": 2.0')
    rollouts = [
        row | {"response": said, "media": {"video": walk}} for said in (row["response"], later)
    ]
    before = total(service, "reward_masks_frames_encoded_total")
    with RewardClient(service.url) as client:
        results = client.reward(rollouts).results
    assert total(service, "reward_masks_frames_encoded_total") == before + 4
    assert [result.parts["frames"] for result in results] == [2, 2]
    assert all(0.0 <= result.parts["j"] <= 1.0 for result in results)
    assert len({result.parts["predicted_iou"] for result in results}) == 2


def test_the_async_client_uploads_what_is_missing_too(service, photograph):
    """It is answered 424, uploads, and asks again, as the other client does."""
    photograph.write_bytes(coins_file("WEBP", lossless=True))
    digest = digest_of(photograph.read_bytes())
    assert not is_here(service, digest)

    async def ask():
        async with AsyncRewardClient(service.url) as client:
            return await client.reward([item(MASKS[1], photograph), item(MASKS[2], photograph)])

    results = asyncio.run(ask()).results
    assert is_here(service, digest)
    with RewardClient(service.url) as client:
        batch = [item(MASKS[1], photograph), item(MASKS[2], photograph)]
        assert [one.reward for one in client.reward(batch).results] == [
            one.reward for one in results
        ]


def test_what_is_late_is_unscored_and_what_was_drawn_is_not(service, photograph):
    """A deadline of a millisecond passes before anything is drawn; the next request is served."""
    late = [item(MASKS[5], photograph, shift=float(i)) for i in range(4)]
    with RewardClient(service.url) as client:
        client.reward(late[:1])
        body = {"items": [one | {"media": named(photograph)} for one in late], "deadline_ms": 1}
        results = service.post("/reward", body).json()["results"]
        assert {one["error"]["code"] for one in results} == {"deadline_exceeded"}
        assert all(one["error"]["retryable"] for one in results)
        assert all(one.reward is not None for one in client.reward(late).results)


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs a kernel that forgets peaks"
)
def test_hostile_files_cost_the_running_service_next_to_nothing(service):
    """Each is refused with a reason, for less than 50 MiB in all its processes at their peak."""
    blocks = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    largest = encoded(np.kron(blocks, np.ones((64, 64, 1), np.uint8)), "JPEG")
    film = video([np.zeros((48, 64, 3), np.uint8)] * 20)
    hostile = [
        (413, png_that_declares(40_000, 40_000)),
        (413, webp_that_declares(16_000, 16_000)),
        (413, video([np.zeros((16, 16, 3), np.uint8)] * 10_000, fps=1000)),
        (422, largest[: 9 * len(largest) // 10]),
        (422, film[: len(film) // 2]),
        (422, b"#EXTM3U\nfile:///etc/passwd\n"),
        (422, film[:32] + b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 100),
        (422, b"RIFF\0\0\0\0AVI LIST" + coins_file()),
        (422, encoded(data.coins(), "TIFF")),
    ]
    put(service, coins_file())
    pids = [service.process.pid, *service.children()]
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="utf-8")
    before = sum(memory_bytes(pid, "VmRSS") for pid in pids)
    for status, content in hostile:
        answer = put(service, content)
        code = "too_large" if status == 413 else "bad_media"
        assert (answer.status, answer.json()["code"]) == (status, code)
        assert "expected" in answer.json()["detail"]
        assert not is_here(service, digest_of(content))
    assert [service.process.pid, *service.children()] == pids
    assert sum(memory_bytes(pid, "VmHWM") for pid in pids) - before < MOST_GROWTH_BYTES


def test_uploads_outlive_the_service_and_stay_within_their_bound(checkpoint, tmp_path):
    """A killed service finds them again; the least recently used make room, and are sent anew."""
    files = [tmp_path / f"{dimmed}.png" for dimmed in (1, 2, 3)]
    large = np.kron(data.coins(), np.ones((2, 2), np.uint8))
    for dimmed, path in enumerate(files, start=1):
        path.write_bytes(encoded(large // dimmed, compress_level=0))
    digests = [digest_of(path.read_bytes()) for path in files]
    room = int(0.87 * sum(path.stat().st_size for path in files))
    options = ("--sam2", str(checkpoint), "--media-dir", str(tmp_path / "media"))
    with running(*options) as first:
        with RewardClient(first.url) as client:
            rewards = client.reward([item(MASKS[0], path) for path in files[:2]]).rewards
        first.process.kill()
        first.process.wait()
    with running(*options, "--media-bytes", str(room)) as again, RewardClient(again.url) as client:
        named_only = [item(MASKS[0], path) | {"media": named(path)} for path in files[:2]]
        answer = again.post("/reward", {"items": named_only})
        assert [one["reward"] for one in answer.json()["results"]] == rewards
        assert is_here(again, digests[0])
        client.reward([item(MASKS[0], files[2])])
        assert [is_here(again, digest) for digest in digests] == [True, False, True]
        assert total(again, "reward_media_bytes") <= room
        assert client.reward([item(MASKS[0], path) for path in files[:2]]).rewards == rewards


def test_replicas_on_one_folder_share_uploads(service, options, tmp_path):
    """What one took in the other scores at once, so a balancer may give either any request."""
    path = tmp_path / "mirrored.png"
    path.write_bytes(encoded(data.coins()[:, ::-1]))
    rollout = item(MASKS[0], path) | {"media": named(path)}
    with running(*options) as other:
        assert other.post("/reward", {"items": [rollout]}).status == 424
        assert put(service, path.read_bytes()).status == 200
        here, there = (one.post("/reward", {"items": [rollout]}) for one in (service, other))
    assert (here.status, there.status) == (200, 200)
    assert there.json()["results"] == here.json()["results"]
    assert there.json()["results"][0]["reward"] is not None


def digest_of(content):
    """Return the name of content."""
    return hashlib.sha256(content).hexdigest()


def named(path):
    """Name an image by its hash alone."""
    return {"image": {"sha256": digest_of(path.read_bytes())}}


def put(service, content):
    """Upload content under its name."""
    url = f"{service.url}/media/{digest_of(content)}"
    return service.http.request("PUT", url, body=content)


def is_here(service, digest):
    """Ask whether the service has content."""
    return service.http.request("HEAD", f"{service.url}/media/{digest}").status == 200


def memory_bytes(pid, key):
    """Read what a process holds (`VmRSS`), or held at most since it was last reset (`VmHWM`)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(rf"^{key}:\s+(\d+) kB", status, re.MULTILINE)[1])
