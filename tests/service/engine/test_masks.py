"""Tests for `service.engine.masks`: real media, a network that draws the box it is given."""

import asyncio
import time

import numpy as np
import pytest

from rewards.errors import BadMedia, BadTruth, MissingInput, ModelFailed, NoModel, OutOfTime
from rewards.sample import Media, Sample
from rewards.score import Scored, Unscored
from rewards.specs import ONETHINKER_RELEASED
from service.engine.isolation.cases import IsolationLimits
from service.engine.isolation.pool import IsolatedPool
from service.engine.masks import FRAME_PX
from service.engine.scoring import ScoringEngine
from service.media.library import MediaLibrary
from tests import coins
from tests.real_media import coins as coins_file
from tests.remote_polar import until
from tests.service.engine.mask_bench import (
    FILM,
    LEFT,
    LEFT_BOX,
    MASKS,
    PICTURE,
    about,
    drawn_iou,
    filmed,
    opened,
)


def test_every_coin_earns_the_iou_of_what_is_drawn(tmp_path):
    """One request about all coins of a photograph: one embedding, and each its own IoU."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(PICTURE)
            verdicts = await bench.score([about(mask, digest, shift=0.3) for mask in MASKS])
            for mask, verdict in zip(MASKS, verdicts, strict=True):
                # Where an edge meets the middle of a pixel, rounding decides on a row of them.
                assert verdict.accuracy == pytest.approx(drawn_iou(mask, 0.3), abs=0.02)
                assert verdict.parts["iou"] == verdict.accuracy > 0.3
                assert verdict.scorer == "sam2:plain"
                assert verdict.reward == pytest.approx(0.9 * verdict.accuracy + 0.1 + 0.5)
            assert bench.network.encoded == [1]

    asyncio.run(main())


def test_a_group_is_drawn_together_and_the_same_answer_once(tmp_path):
    """Eight rollouts with four answers: one encoding, four decodings, the nearest earns most."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(PICTURE)
            group = [about(MASKS[3], digest, shift=20.0 * (i % 4)) for i in range(8)]
            earned = [verdict.accuracy for verdict in await bench.score(group)]
            assert earned[:4] == earned[4:]
            assert earned[:4] == sorted(earned[:4], reverse=True)
            assert len(set(earned)) == 4
            assert (bench.network.encoded, len(bench.network.decoded)) == ([1], 4)

    asyncio.run(main())


def test_requests_share_the_embedding_of_an_image(tmp_path):
    """At once or one after another."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(PICTURE)
            batches = [[about(mask, digest)] for mask in MASKS[:6]]
            await asyncio.gather(*(bench.score(batch) for batch in batches))
            await bench.score(batches[0])
            assert bench.network.encoded == [1]

    asyncio.run(main())


def test_a_malformed_answer_scores_0_before_the_model_is_touched(tmp_path):
    """The reason says what was expected; nothing is drawn for it."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(PICTURE)
            good = about(MASKS[0], digest)
            answers = ["no json", '{"boxes": [1]}', '{"boxes": [0, 0, NaN, 1]}', ""]
            bad = [
                Sample("mask", f"<think>a</think><answer>{answer}</answer>", good.ground_truth,
                       "image", media=good.media)
                for answer in answers
            ]  # fmt: skip
            verdicts = await bench.score(bad)
            assert [verdict.accuracy for verdict in verdicts] == [0.0] * 4
            assert all("expected" in verdict.reason for verdict in verdicts)
            area_px = int(MASKS[0].sum())
            assert all(verdict.parts["union_px"] == area_px for verdict in verdicts)
            assert bench.network.encoded == bench.network.decoded == []
            mixed = await bench.score([bad[0], good, bad[1]])
            assert [verdict.accuracy > 0 for verdict in mixed] == [False, True, False]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        pytest.param({"truth": "no mask"}, BadTruth, "expected a mask", id="no-truth"),
        pytest.param({"truth": {"size": [9, 9], "counts": [80]}}, BadTruth, "sum", id="short"),
        pytest.param(
            {"truth": {"size": [384, 384], "counts": [384 * 384]}},
            BadTruth,
            "in the shape of 384x303; got 384x384",
            id="another-shape",
        ),
        pytest.param({"media": None}, MissingInput, 'expected "media" with "image"', id="no-media"),
        pytest.param({"media": Media(video="0" * 64)}, MissingInput, "image", id="only-a-video"),
        pytest.param(
            {"media": Media(image="0" * 64)}, ModelFailed, "upload it again", id="evicted"
        ),
    ],
)
def test_what_is_wrong_with_an_item_leaves_its_neighbours_alone(changes, error, message, tmp_path):
    """It is unscored and says why; the others of the batch are judged."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(PICTURE)
            good = about(MASKS[0], digest)
            media = changes.get("media", good.media)
            bad = Sample(
                "mask", good.response, changes.get("truth", good.ground_truth), "image", media=media
            )
            first, verdict, last = await bench.score([good, bad, good])
            assert first.accuracy == last.accuracy > 0
            assert isinstance(verdict, Unscored)
            assert type(verdict.error) is error
            assert message in str(verdict.error)
            assert (verdict.format, verdict.structure) == (1.0, 0.5)

    asyncio.run(main())


def test_a_video_is_no_image(tmp_path):
    """What was uploaded is looked at, not what it is called."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(FILM)
            [verdict] = await bench.score([about(MASKS[0], digest)])
            assert isinstance(verdict.error, BadMedia)

    asyncio.run(main())


def test_a_truth_may_have_another_size_than_the_upload(tmp_path):
    """Masks are drawn at the truth's size; a smaller picture serves as well."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(PICTURE)
            large = np.kron(MASKS[2], np.ones((2, 2), dtype=bool))
            [verdict] = await bench.score([about(MASKS[2], digest, truth=coins.truth(large))])
            assert verdict.accuracy == pytest.approx(drawn_iou(large), abs=0.02)
            assert verdict.parts["union_px"] > 1.5 * MASKS[2].sum()

    asyncio.run(main())


def test_a_clip_earns_j_and_f_on_its_annotated_frames(tmp_path):
    """The network shifts its box with the distance to the keyframe; the truth does not move."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(FILM)
            truth = {"masks": {"0.5": LEFT, "1.0": LEFT}}
            at_once, late = await bench.score(
                [
                    filmed({**LEFT_BOX, "time": 0.5}, truth, digest),
                    filmed({**LEFT_BOX, "time": 0.0}, truth, digest),
                ]
            )
            assert at_once.parts["frames"] == 2
            shifted = 30 / 34  # two columns to the right of a 32 column half, wrapped none
            assert at_once.parts["j"] == pytest.approx((1 + shifted) / 2, abs=0.02)
            assert late.parts["j"] < at_once.parts["j"]
            assert at_once.accuracy == (at_once.parts["j"] + at_once.parts["f"]) / 2
            assert sum(bench.network.encoded) == 4
            assert bench.network.tracked == [1, 2, 0, 1, 2]

    asyncio.run(main())


def test_a_rollout_of_a_clip_earns_the_same_alone_and_in_company(tmp_path):
    """Whatever keyframes the others choose."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(FILM)
            truth = {"masks": [LEFT, None, None, LEFT]}
            group = [filmed({**LEFT_BOX, "time": t}, truth, digest) for t in (0, 0.5, 1.0, 1.5)]
            together = [verdict.accuracy for verdict in await bench.score(group)]
            alone = [(await bench.score([sample]))[0].accuracy for sample in group]
            assert together == alone
            assert len(set(alone)) > 1

    asyncio.run(main())


def test_the_rate_of_a_clip_is_the_items(tmp_path):
    """At 5 a second, 0.2 s is a frame; at 2 a second it is none."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(FILM)
            answer, truth = {**LEFT_BOX, "time": 0.2}, {"masks": {"0.2": LEFT}}
            fine, coarse = await bench.score(
                [filmed(answer, truth, digest, fps=5.0), filmed(answer, truth, digest, fps=2.0)]
            )
            assert fine.accuracy > 0.95
            assert isinstance(coarse.error, BadTruth)
            assert "no sampled frame at 0.2 s" in str(coarse.error)

    asyncio.run(main())


def test_a_failing_model_unscores_and_recovers(tmp_path):
    """A failure is retryable and never a 0."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(PICTURE)
            bench.network.failures.append(RuntimeError("device lost"))
            samples = [about(MASKS[0], digest), about(MASKS[1], digest)]
            verdicts = await bench.score(samples)
            assert all(isinstance(verdict, Unscored) for verdict in verdicts)
            assert all(verdict.error.retryable for verdict in verdicts)
            assert not bench.lane.health().ready
            assert all(isinstance(verdict, Scored) for verdict in await bench.score(samples))
            assert bench.lane.health().ready

    asyncio.run(main())


def test_a_defect_about_one_picture_leaves_the_others_alone(tmp_path, caplog):
    """What nobody foresaw is a retryable error of the items it met, and is logged."""

    class Faulty(MediaLibrary):
        async def picture(self, digest):
            if digest == "0" * 64:
                raise TypeError("a defect")
            return await super().picture(digest)

    async def main():
        async with opened(tmp_path, library=Faulty) as bench:
            digest = await bench.upload(PICTURE)
            batch = [about(MASKS[0], digest), about(MASKS[0], "0" * 64), about(MASKS[1], digest)]
            first, failed, last = await bench.score(batch)
            assert isinstance(first, Scored)
            assert isinstance(last, Scored)
            assert isinstance(failed.error, ModelFailed)
            assert failed.error.retryable
            assert "masks failed: TypeError at " in caplog.text
            assert "a defect" not in caplog.text

    asyncio.run(main())


def test_what_is_not_drawn_by_the_deadline_is_unscored(tmp_path):
    """The answer does not wait for the step in hand."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(PICTURE)
            other = await bench.upload(coins_file("JPEG"))
            await bench.score([about(MASKS[0], digest)])
            bench.network.gate.clear()
            begun = time.monotonic()
            late, unseen = await bench.score(
                [about(MASKS[1], digest), about(MASKS[2], other)], deadline=begun + 0.2
            )
            assert time.monotonic() - begun < 5
            assert isinstance(late.error, OutOfTime)
            assert isinstance(unseen.error, OutOfTime)
            bench.network.gate.set()

    asyncio.run(main())


def test_pixels_beyond_the_capacity_wait_and_owners_take_turns(tmp_path):
    """One item at a time is drawn; of two owners the one with less in line is not held up."""

    async def main():
        height, width = MASKS[0].shape
        item_px = height * width + FRAME_PX
        async with opened(tmp_path, px=item_px) as bench:
            digest = await bench.upload(PICTURE)
            bench.network.gate.clear()
            drawn = []

            async def score(mask, owner):
                [verdict] = await bench.score([about(mask, digest)], owner=owner)
                assert isinstance(verdict, Scored)
                drawn.append(owner)

            async with asyncio.TaskGroup() as group:
                for mask in MASKS[:4]:
                    group.create_task(score(mask, "greedy"))
                assert await until(lambda: bench.lane.usage()["waiting_px"] == 3 * item_px)
                group.create_task(score(MASKS[4], "polite"))
                assert await until(lambda: bench.lane.usage()["waiting_px"] == 4 * item_px)
                assert bench.lane.usage()["active_px"] == item_px
                bench.network.gate.set()
            assert drawn.index("polite") <= 2
            usage = bench.lane.usage()
            assert (usage["active_px"], usage["waiting_px"]) == (0, 0)
            assert usage["judge_seconds"] > 0

    asyncio.run(main())


def test_the_engine_scores_masks_beside_everything_else(tmp_path):
    """One batch of three lanes; without a mask model its items are unscored."""

    async def main():
        async with opened(tmp_path) as bench:
            digest = await bench.upload(PICTURE)
            batch = [
                Sample("ocr", "<think>a</think><answer>a</answer>", "a"),
                about(MASKS[0], digest),
                Sample("math", "<think>a</think><answer>$1/2$</answer>", "$0.5$"),
            ]
            pool = IsolatedPool(IsolationLimits(workers=1))
            engine = ScoringEngine(pool, masks=bench.lane)
            await engine.start()
            assert set(engine.health()) == {"rules", "masks"}
            verdicts = await engine.score(batch, ONETHINKER_RELEASED)
            assert [verdict.scorer for verdict in verdicts] == ["rule", "sam2:plain", "rule"]
            [unlooked] = await ScoringEngine(pool).score(batch[1:2], ONETHINKER_RELEASED)
            assert isinstance(unlooked.error, NoModel)
            await engine.close()

    asyncio.run(main())
