"""Tests for `service.distributed.apps` and what speaks to it, on a real cluster of two nodes."""

import asyncio
import os
import signal
import threading
import time
from collections import Counter

import numpy as np
import pytest
from skimage import data

from rewards.backends.polar_transformers.model import PolarTransformers
from rewards.backends.ray_serve.address import RayAddress
from rewards.backends.ray_serve.link import LinkOptions
from rewards.backends.ray_serve.masks import RaySam2
from rewards.backends.ray_serve.similarity import RayPolar
from rewards.backends.sam2.opening import open_sam2
from rewards.errors import ModelFailed
from rewards.maths.masks import mask_overlap
from rewards.ports import Comparison, Health, Picture, Segmented
from tests import coins
from tests.e2e.running import running
from tests.e2e.test_masks import directly, item
from tests.polar_checkpoints import RandomPolar
from tests.ray_cluster import RayCluster, drivers, small_config
from tests.real_media import coins as coins_file
from tests.remote_polar import until
from tests.rewards.backends.sam2.scenes import PROMPTS, clip, picture
from tests.tiny_sam2 import save_tiny_sam2
from trainer_client.client import RewardClient

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]

PATIENCE_S = 120
QUICK = LinkOptions(pause_s=0.1)
ITEMS = [Comparison(f"question {i % 24}", "truth", f"answer {i // 24}") for i in range(96)]
WELL = Health(ready=True)
RESPONSE = "<think>a</think><answer>4</answer>"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """The folders of a tiny POLAR and a tiny SAM 2, by the name of their application."""
    folder = tmp_path_factory.mktemp("models")
    polar = RandomPolar(positions=4096).write(folder / "tiny_polar")
    return {"polar": polar, "sam2": save_tiny_sam2(folder / "tiny_sam2")}


@pytest.fixture(scope="module")
def cluster(checkpoints, tmp_path_factory):
    """Two nodes with both applications on them."""
    args = {"polar": {"polar": str(checkpoints["polar"])}}
    args["sam2"] = {"sam2": str(checkpoints["sam2"]), "sam2_device": "cpu"}
    config = small_config(tmp_path_factory.mktemp("serve"), args, num_replicas=2)
    cluster = RayCluster()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.variables.items():
            patch.setenv(name, value)
        try:
            cluster.start()
            cluster.deploy(config)
            yield cluster
        finally:
            cluster.kill()


@pytest.fixture(scope="module")
def service(cluster, tmp_path_factory):
    """A service on a machine that is no node of the cluster."""
    address = f"ray://127.0.0.1:{cluster.client_port}"
    media = tmp_path_factory.mktemp("media")
    options = ("--polar", f"{address}/polar", "--sam2", f"{address}/sam2", "--media-dir", media)
    with running(*map(str, options)) as service:
        service.wait_until(lambda: parts(service) == WHOLE, PATIENCE_S)
        yield service


def parts(service):
    """What `/readyz` says of the models: whether each is ready, and what there is to be said."""
    told = service.get("/readyz").json()["parts"]
    return {name: tuple(told[name].values()) for name in ("similarity", "masks")}


WHOLE = {"similarity": (True, None), "masks": (True, None)}


def on_ray(model_class, app, use):
    """Use a model from a process on a node of the cluster, as soon as all replicas run."""

    async def main():
        model = model_class(RayAddress.read(f"ray://auto/{app}"), QUICK)
        try:
            await model.start()
            end = time.monotonic() + PATIENCE_S
            while model.health() != WELL:
                assert time.monotonic() < end, model.health()
                await asyncio.sleep(0.05)
            return await use(model)
        finally:
            await model.close()

    return asyncio.run(main())


def in_process(model, use):
    """Use a model without Ray."""

    async def main():
        await model.start()
        try:
            return await use(model)
        finally:
            await model.close()

    return asyncio.run(main())


def done(model, name):
    """What each replica has done so far, by replica."""
    usage = model.usage()
    return {key.partition("/")[2]: usage[key] for key in usage if key.startswith(f"{name}/")}


@pytest.fixture(scope="module")
def raw_scores(checkpoints):
    """What the checkpoint says without Ray."""
    scores = in_process(PolarTransformers(checkpoints["polar"]), lambda model: model.compare(ITEMS))
    return dict(zip(ITEMS, scores, strict=True))


def test_scores_are_those_of_the_same_checkpoint_in_process(raw_scores):
    """Wherever it runs, a model says the same; both replicas take their part, each item once."""

    async def use(model):
        return await model.compare(ITEMS * 2), done(model, "items"), model.scorer

    scores, items, scorer = on_ray(RayPolar, "polar", use)
    assert scores == pytest.approx([raw_scores[item] for item in ITEMS * 2], abs=1e-4)
    assert scorer == "polar:tiny_polar"
    assert len(items) == 2
    assert sum(items.values()) == len(ITEMS)


def test_masks_are_those_of_the_same_checkpoint_in_process(checkpoints):
    """An image and a clip are drawn to the last pixel as without Ray."""

    async def use(model):
        image = await model.segment_image(picture(), PROMPTS)
        return [*image, *await model.track_clip(clip(), PROMPTS, [0, 2, 4])]

    local = in_process(open_sam2(checkpoints["sam2"], device="cpu"), use)
    distant = on_ray(RaySam2, "sam2", use)
    for one, other in zip(local, distant, strict=True):
        assert np.array_equal(one.masks, other.masks)
        assert other.predicted_iou == pytest.approx(one.predicted_iou, abs=1e-5)
        assert 0 < one.masks.mean() < 1


class Album:
    """Small pictures, and how often the pixels of each were wanted."""

    def __init__(self, name, count=24):
        self.read = Counter()
        self.pictures = [self._picture(f"{name} {i}") for i in range(count)]

    def _picture(self, digest):
        pixels = data.astronaut()[::8, ::8].copy()

        async def read():
            self.read[digest] += 1
            return pixels

        return Picture(digest, *pixels.shape[:2], read)

    async def drawn_by(self, model, times=1):
        """Ask for all of it, `times` over at once."""
        asked = [model.segment_image(one, PROMPTS[:1]) for one in self.pictures * times]
        return await asyncio.gather(*asked)


def test_a_picture_is_embedded_on_one_replica_and_sent_only_there():
    """However many ask, at once and again: the second time not even its pixels are wanted."""
    first, second = Album("first"), Album("second")

    async def use(model):
        await first.drawn_by(model)
        before = done(model, "frames_encoded")
        drawn = await second.drawn_by(model, times=3)
        read = second.read.copy()
        drawn += await second.drawn_by(model)
        return before, done(model, "frames_encoded"), drawn, read

    before, after, drawn, read = on_ray(RaySam2, "sam2", use)
    assert len(before) == 2
    assert sum(after.values()) == sum(before.values()) + len(second.pictures)
    assert all(after[replica] > before[replica] for replica in before)
    assert all(isinstance(one, Segmented) for [one] in drawn)
    assert set(first.read.values()) == {1}
    assert second.read == read


def test_a_lost_process_is_replaced(raw_scores):
    """What was asked of the process that speaks to Ray is sent back, and a new one takes over."""

    async def use(model):
        [driver] = drivers()
        asked = [asyncio.create_task(model.compare(ITEMS)) for _ in range(4)]
        await asyncio.sleep(0)
        os.kill(driver, signal.SIGKILL)
        lost = [one for scores in await asyncio.gather(*asked) for one in scores]
        assert await until(lambda: not model.health().ready)
        assert await until(lambda: model.health().ready)
        return lost, await model.compare(ITEMS)

    lost, found = on_ray(RayPolar, "polar", use)
    assert {type(one) for one in lost} <= {ModelFailed, float}
    assert ModelFailed in {type(one) for one in lost}
    assert found == pytest.approx([raw_scores[item] for item in ITEMS], abs=1e-4)


def test_rollouts_about_a_photograph_are_scored_over_http(service, checkpoints, tmp_path):
    """The client uploads it to the service, which sends it on to the replica that draws on it."""
    path = tmp_path / "coins.png"
    path.write_bytes(coins_file())
    mask = coins.masks()[2]
    group = [item(mask, path, shift=12.0 * i) for i in range(4)]
    with RewardClient(service.url) as client:
        results = client.reward(group).results
    drawn = directly(checkpoints["sam2"], group, data.coins()[..., None].repeat(3, axis=2))
    expected = [mask_overlap(one.masks[0], mask).iou for one in drawn]
    assert [one.accuracy for one in results] == pytest.approx(expected)
    assert {one.scorer for one in results} == {"sam2:tiny_sam2"}
    assert len(set(expected)) > 1


# What follows takes nodes away.


def bodies(raw_scores):
    """A batch for POLAR with an item for each known score."""
    return {
        "spec": "onethinker-paper",
        "items": [
            {
                "id": str(i),
                "kind": "open_ended",
                "prompt": item.prompt,
                "ground_truth": item.reference,
                "response": f"<think>a</think><answer>{item.output}</answer>",
            }
            for i, item in enumerate(raw_scores)
        ],
    }


def judged(service, body):
    """Send a batch; every item comes back, once and in its place."""
    answer = service.post("/reward", body)
    assert answer.status == 200, answer.data
    results = answer.json()["results"]
    assert [one["id"] for one in results] == [one["id"] for one in body["items"]]
    return results


def check(results, raw_scores):
    """Count what was scored; a score is right, and what has none may be sent again."""
    for one, expected in zip(results, raw_scores.values(), strict=True):
        if one["status"] == "scored":
            assert one["parts"]["raw_score"] == pytest.approx(expected, abs=1e-4)
        else:
            assert one["error"]["retryable"], one
    return sum(one["status"] == "scored" for one in results)


def test_a_node_may_be_lost_under_load(service, cluster, raw_scores):
    """Items are scored rightly or sent back to be sent again; soon all of them are scored."""
    body = bodies(raw_scores)
    batches, over = [], threading.Event()

    def load():
        while not over.is_set():
            batches.append(judged(service, body))

    loaders = [threading.Thread(target=load) for _ in range(3)]
    for one in loaders:
        one.start()
    try:
        service.wait_until(lambda: len(batches) > 10, PATIENCE_S)
        cluster.nodes.pop().kill()
        killed_after = len(batches)
        service.wait_until(lambda: parts(service)["similarity"][1], PATIENCE_S)
        service.wait_until(lambda: len(batches) > killed_after + 10, PATIENCE_S)
    finally:
        over.set()
        for one in loaders:
            one.join()
    scored = [check(results, raw_scores) for results in batches]
    assert scored[:5] == [len(ITEMS)] * 5
    assert parts(service)["similarity"] == (True, "1 of 2 replicas run")
    assert check(judged(service, body), raw_scores) == len(ITEMS)


def ready(service):
    """Whether each model is ready."""
    return [well for well, _ in parts(service).values()]


def test_the_service_outlives_ray(service, cluster, raw_scores):
    """Rules are judged all the while; what needs a model is sent back to be sent again."""
    rule = {"items": [{"kind": "numerical", "ground_truth": "4", "response": RESPONSE}]}
    cluster.kill()
    assert service.get("/livez").status == 200
    service.wait_until(lambda: not any(ready(service)), PATIENCE_S)
    assert service.get("/readyz").json()["status"] == "degraded"
    assert check(judged(service, bodies(raw_scores)), raw_scores) == 0
    [result] = service.post("/reward", rule).json()["results"]
    assert (result["status"], result["accuracy"]) == ("scored", 1.0)


@pytest.mark.long
def test_the_service_finds_ray_again(service, cluster, checkpoints, raw_scores, tmp_path):
    """With nobody's help, and it says which application has not come back."""
    cluster.kill()
    service.wait_until(lambda: not any(ready(service)), PATIENCE_S)
    cluster.start(nodes=1)
    polar = {"polar": {"polar": str(checkpoints["polar"])}}
    cluster.deploy(small_config(tmp_path, polar, num_replicas=1))
    service.wait_until(lambda: parts(service)["similarity"] == (True, None), PATIENCE_S)
    assert check(judged(service, bodies(raw_scores)), raw_scores) == len(ITEMS)
    missing = (False, "no application named 'sam2' is deployed")
    service.wait_until(lambda: parts(service)["masks"] == missing, PATIENCE_S)


@pytest.mark.long
def test_load_brings_another_replica(cluster, checkpoints, tmp_path):
    """One replica is there while nobody asks; a second one comes with the work, and does some."""
    quick = {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 1}
    quick |= {"upscale_delay_s": 0.5, "metrics_interval_s": 0.2, "look_back_period_s": 1}
    cluster.kill()
    cluster.start()
    polar = {"polar": {"polar": str(checkpoints["polar"])}}
    cluster.deploy(small_config(tmp_path, polar, autoscaling_config=quick))

    async def use(model):
        await model.compare(ITEMS)
        alone, end, number = done(model, "items"), time.monotonic() + PATIENCE_S, 0
        while len(done(model, "items")) < 2 and time.monotonic() < end:
            number += 1
            fresh = [Comparison(one.prompt, one.reference, f"again {number}") for one in ITEMS]
            await asyncio.gather(*(model.compare(fresh) for _ in range(8)))
        return alone, done(model, "items")

    alone, after = on_ray(RayPolar, "polar", use)
    assert len(alone) == 1
    assert len(after) == 2
