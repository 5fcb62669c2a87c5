"""Tests for `rewards.backends.sam2.model`: what is shared, what is not, and what goes wrong."""

import asyncio
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest
import torch

from rewards.backends.sam2.model import Sam2MaskModel
from rewards.backends.sam2.transformers_network import load_transformers
from rewards.errors import BadModel, BadRequest, ModelFailed, OutOfTime
from rewards.ports import MaskPrompt
from tests.rewards.backends.sam2.plain_network import PlainNetwork
from tests.rewards.backends.sam2.scenes import PROMPTS, clip, pan, picture

BOX = MaskPrompt((0, 0, 500, 500))
GREY = np.full((64, 64, 3), 128, dtype=np.uint8)
FILM = np.full((6, 64, 64, 3), 128, dtype=np.uint8)


@asynccontextmanager
async def started(network, **options):
    """Start a model over `network` and forget what its warm-up did."""
    model = Sam2MaskModel(lambda: network, name="test", cache_bytes=2**28, **options)
    await model.start()
    if isinstance(network, PlainNetwork):
        network.encoded.clear()
        network.decoded.clear()
    yield model
    await model.close()


def box(index):
    """Return one of many different boxes."""
    return MaskPrompt((0, 0, 100 + 50 * index, 500))


def test_a_group_embeds_its_image_once_and_decodes_together():
    """Eight rollouts: one call of the encoder, one of the decoder, eight masks in order."""

    async def main():
        network = PlainNetwork()
        async with started(network, prompts_at_once=8) as model:
            drawn = await model.segment_image(picture("a", GREY), [box(i) for i in range(8)])
            assert (network.encoded, network.decoded) == ([1], [(8, 2)])
            assert [round(one.masks.mean(), 2) for one in drawn] == sorted(
                round(one.masks.mean(), 2) for one in drawn
            )
            await model.segment_image(picture("a", GREY), [BOX])
            assert network.encoded == [1]
            assert model.usage()["frames_encoded"] == 1
            assert model.usage()["prompts_decoded"] == 9
            assert model.scorer == "sam2:test"

    asyncio.run(main())


def test_the_same_answer_is_decoded_once():
    """Rollouts that say the same share the drawing."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            drawn = await model.segment_image(picture("a", GREY), [BOX, box(3), BOX, BOX])
            assert network.decoded == [(1, 2), (1, 2)]
            assert drawn[0] is drawn[2] is drawn[3]
            assert drawn[1] is not drawn[0]

    asyncio.run(main())


def test_prompts_with_unequal_points_are_not_padded():
    """They are decoded apart, for a padding point would change the mask."""

    async def main():
        network = PlainNetwork()
        async with started(network, prompts_at_once=4) as model:
            one_point = MaskPrompt((0, 0, 500, 500), ((1, 1),))
            await model.segment_image(picture("a", GREY), [BOX, one_point, box(2)])
            assert network.decoded == [(4, 2), (4, 3)]

    asyncio.run(main())


def test_requests_at_once_share_the_embedding():
    """Ten requests for one picture embed it once, also while the first is under way."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            network.gate.clear()
            calls = [model.segment_image(picture("a", GREY), [box(i)]) for i in range(10)]
            waiting = [asyncio.create_task(call) for call in calls]
            await asyncio.sleep(0.02)
            network.gate.set()
            await asyncio.gather(*waiting)
            assert network.encoded == [1]
            assert model.usage()["cache_hits"] == 9

    asyncio.run(main())


def test_different_pictures_go_through_the_encoder_together():
    """What waits while the device is busy is embedded in one batch."""

    async def main():
        network = PlainNetwork()
        async with started(network, frames_at_once=4) as model:
            network.gate.clear()
            calls = [model.segment_image(picture(str(i), GREY), [BOX]) for i in range(9)]
            waiting = [asyncio.create_task(call) for call in calls]
            await asyncio.sleep(0.02)
            network.gate.set()
            await asyncio.gather(*waiting)
            assert len(network.encoded) < 9
            assert set(network.encoded) == {4}
            assert model.usage()["frames_encoded"] == 9

    asyncio.run(main())


def test_a_clip_embeds_each_frame_once_and_tracks_each_answer_alone():
    """Three rollouts with different keyframes: six encodings, three tracks of six frames."""

    async def main():
        network = PlainNetwork()
        async with started(network, frames_at_once=4) as model:
            prompts = [MaskPrompt((0, 0, 500, 500), keyframe=key) for key in (0, 3, 5)]
            drawn = await model.track_clip(clip("v", FILM), prompts, [1, 4])
            assert network.encoded == [4, 4]
            assert model.usage()["frames_encoded"] == 6
            assert network.tracked == [0, 1, 2, 3, 4, 5, 3, 4, 5, 2, 1, 0, 5, 4, 3, 2, 1, 0]
            assert all(one.masks.shape == (2, 64, 64) for one in drawn)
            await model.track_clip(clip("v", FILM), prompts[:1], [0])
            assert network.encoded == [4, 4]
            assert model.usage()["frames_tracked"] == 24

    asyncio.run(main())


def test_masks_stand_at_the_frames_that_were_asked_for():
    """The plain network shifts its box with the distance to the keyframe."""

    async def main():
        async with started(PlainNetwork()) as model:
            [drawn] = await model.track_clip(
                clip("v", FILM), [MaskPrompt((0, 0, 500, 500), keyframe=2)], [0, 2, 5]
            )
            edges = [int(np.flatnonzero(mask[0])[-1]) for mask in drawn.masks[1:]]
            assert edges == [31, 37]
            assert drawn.predicted_iou == 0.25

    asyncio.run(main())


@pytest.mark.parametrize("prompts_at_once", [1, 4])
def test_a_mask_is_bit_for_bit_the_same_alone_and_in_company(checkpoint, prompts_at_once):
    """Who shares the request, and where in it a rollout stands, changes no pixel."""
    network = load_transformers(checkpoint, device="cpu", precision="float32")
    prompts = [
        *PROMPTS[:3],
        *(MaskPrompt((10 * i, 50, 600, 900), PROMPTS[0].positive, ((9, 9),)) for i in range(5)),
    ]

    async def main():
        async with started(network, prompts_at_once=prompts_at_once) as model:
            together = await model.segment_image(picture(), prompts)
            backwards = await model.segment_image(picture(), prompts[::-1])
            for prompt, one, other in zip(prompts, together, backwards[::-1], strict=True):
                [alone] = await model.segment_image(picture(), [prompt])
                assert np.array_equal(one.masks, alone.masks)
                assert np.array_equal(one.masks, other.masks)
                assert one.predicted_iou == other.predicted_iou == alone.predicted_iou

    asyncio.run(main())


def test_an_embedding_is_bit_for_bit_the_same_alone_and_in_company(checkpoint):
    """Pictures of other requests in the encoder's batch change no pixel of a mask."""
    network = load_transformers(checkpoint, device="cpu", precision="float32")
    others = [picture(str(i), np.roll(pan(1)[0], 40 * i, axis=1)) for i in range(1, 5)]

    async def main():
        async with started(network, frames_at_once=4) as model:
            calls = [model.segment_image(each, PROMPTS[:1]) for each in (*others, picture())]
            *_, [crowded] = await asyncio.gather(*calls)
        async with started(network, frames_at_once=4) as model:
            [alone] = await model.segment_image(picture(), PROMPTS[:1])
        assert np.array_equal(crowded.masks, alone.masks)
        assert crowded.predicted_iou == alone.predicted_iou

    asyncio.run(main())


def test_a_track_is_bit_for_bit_the_same_alone_and_in_company(checkpoint):
    """Also where the others' keyframes come earlier, which would reach a joint track."""
    network = load_transformers(checkpoint, device="cpu", precision="float32")

    async def main():
        async with started(network) as model:
            film, keyframes = clip(pixels=pan(4)), (0, 2, 3)
            prompts = [
                MaskPrompt(prompt.box, prompt.positive, prompt.negative, keyframe)
                for prompt, keyframe in zip(PROMPTS, keyframes, strict=False)
            ]
            together = await model.track_clip(film, prompts, range(4))
            [alone] = await model.track_clip(film, prompts[1:2], range(4))
            assert np.array_equal(together[1].masks, alone.masks)
            assert together[1].predicted_iou == alone.predicted_iou

    asyncio.run(main())


def test_nothing_is_begun_after_the_deadline():
    """An item that waited too long is out of time, and the network is not asked for it."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            await model.segment_image(picture("a", GREY), [BOX])
            network.gate.clear()
            busy = asyncio.create_task(model.segment_image(picture("a", GREY), [box(1)]))
            late = asyncio.create_task(
                model.segment_image(picture("a", GREY), [box(2)], deadline=time.monotonic() + 0.05)
            )
            unseen = asyncio.create_task(
                model.segment_image(picture("b", GREY), [BOX], deadline=time.monotonic() + 0.05)
            )
            [outcome] = await unseen
            assert isinstance(outcome, OutOfTime)
            network.gate.set()
            [outcome] = await late
            assert isinstance(outcome, OutOfTime)
            [outcome] = await busy
            assert outcome.masks.any()
            assert network.encoded == [1]
            assert len(network.decoded) == 2

    asyncio.run(main())


def test_a_track_stops_between_frames_at_its_deadline():
    """A long track gives up half-way; those already tracked keep their result."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            await model.track_clip(clip("v", FILM), [BOX], [0])
            network.step_s = 0.02
            network.tracked.clear()
            outcomes = await model.track_clip(
                clip("v", FILM), [box(1), box(2), box(3)], [0], deadline=time.monotonic() + 0.3
            )
            kinds = [type(outcome).__name__ for outcome in outcomes]
            assert kinds == ["Segmented", "OutOfTime", "OutOfTime"]
            assert len(network.tracked) < 12

    asyncio.run(main())


def test_a_caller_who_leaves_is_not_worked_for():
    """A cancelled track ends at its next frame, and the device is free again."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            network.step_s = 0.01
            call = asyncio.create_task(model.track_clip(clip("v", FILM), [BOX] * 3, [0]))
            await asyncio.to_thread(network.began.wait)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            tracked = len(network.tracked)
            [drawn] = await model.segment_image(picture("a", GREY), [BOX])
            assert drawn.masks.any()
            assert len(network.tracked) <= tracked + 1

    asyncio.run(main())


def test_a_batch_too_large_for_the_device_is_halved():
    """Out of memory is met with smaller batches, down to one frame."""

    async def main():
        network = PlainNetwork()
        network.most_frames = 2
        async with started(network, frames_at_once=6) as model:
            [drawn] = await model.track_clip(clip("v", FILM), [BOX], range(6))
            assert sorted(network.encoded) == [1, 1, 2, 2]
            assert drawn.masks.shape == (6, 64, 64)

    asyncio.run(main())


def test_a_failing_device_unscores_and_recovers():
    """The item gets a retryable error, health tells, and the next success clears it."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            network.failures.append(RuntimeError("CUDA error: unspecified launch failure\nmore"))
            [outcome] = await model.segment_image(picture("a", GREY), [BOX])
            assert isinstance(outcome, ModelFailed)
            assert outcome.retryable
            assert model.health().reason == "CUDA error: unspecified launch failure"
            network.failures.append(torch.OutOfMemoryError("no memory"))
            assert isinstance(
                (await model.segment_image(picture("a", GREY), [BOX]))[0], ModelFailed
            )
            [drawn] = await model.segment_image(picture("a", GREY), [BOX])
            assert drawn.masks.any()
            assert model.health().ready

    asyncio.run(main())


def test_pixels_that_cannot_be_had_raise_and_are_not_kept():
    """A picture that cannot be decoded is the caller's fault, each time anew."""

    async def main():
        async def broken():
            raise BadRequest("not a picture")

        async with started(PlainNetwork()) as model:
            spoiled = picture("a", GREY).__class__("a", 64, 64, broken)
            for _ in range(2):
                with pytest.raises(BadRequest, match="not a picture"):
                    await model.segment_image(spoiled, [BOX])
            [drawn] = await model.segment_image(picture("a", GREY), [BOX])
            assert drawn.masks.any()

    asyncio.run(main())


def test_a_model_is_ready_between_start_and_close():
    """Before and after, what is asked is unscored."""

    async def main():
        network = PlainNetwork()
        model = Sam2MaskModel(lambda: network, name="test", cache_bytes=2**20)
        assert not model.health().ready
        [outcome] = await model.segment_image(picture("a", GREY), [BOX])
        assert isinstance(outcome, ModelFailed)
        await model.start()
        assert model.health().ready
        await model.close()
        assert not model.health().ready
        [outcome] = await model.segment_image(picture("b", GREY), [BOX])
        assert isinstance(outcome, ModelFailed)

    asyncio.run(main())


def test_an_estimate_that_is_no_number_is_no_score():
    """A network gone wrong leaves the item unscored, not with a NaN in its parts."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            network.estimate = float("nan")
            [outcome] = await model.segment_image(picture("a", GREY), [BOX])
            assert isinstance(outcome, ModelFailed)
            [outcome] = await model.track_clip(clip("v", FILM), [BOX], [0])
            assert isinstance(outcome, ModelFailed)

    asyncio.run(main())


def test_a_defect_of_the_network_is_not_waited_for():
    """An error that nobody foresaw fails those who wait; the next request is served."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            network.failures.append(TypeError("a defect"))
            [outcome] = await asyncio.wait_for(
                model.segment_image(picture("a", GREY), [BOX]), timeout=10
            )
            assert isinstance(outcome, ModelFailed)
            [drawn] = await model.segment_image(picture("a", GREY), [BOX])
            assert drawn.masks.any()
            feeding = model._encoder._feeding
            assert feeding.done()

    asyncio.run(main())


def test_weights_that_cannot_be_loaded_stop_the_start(tmp_path):
    """The error says what is missing, and the model stays unready."""

    async def main():
        model = Sam2MaskModel(
            lambda: load_transformers(tmp_path, device="cpu", precision="float32"),
            name="none",
            cache_bytes=1,
        )
        with pytest.raises(BadModel, match=r"config\.json"):
            await model.start()
        assert not model.health().ready
        await model.close()

    asyncio.run(main())
