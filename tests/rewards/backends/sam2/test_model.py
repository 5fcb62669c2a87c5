"""Tests for `rewards.backends.sam2.model`: what is shared, what is not, and what goes wrong."""

import asyncio

import numpy as np
import pytest

from rewards.backends.sam2.model import Sam2MaskModel
from rewards.backends.sam2.transformers_network import load_transformers
from rewards.errors import BadModel, BadRequest, ModelFailed
from rewards.ports import MaskPrompt
from tests.rewards.backends.sam2.plain_network import (
    BOX,
    FILM,
    GREY,
    PlainNetwork,
    all_waiting,
    box,
    started,
)
from tests.rewards.backends.sam2.scenes import PROMPTS, clip, pan, picture


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
            await all_waiting()
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
            await all_waiting()
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
            drawn = await model.track_clip(clip("v", FILM), prompts, range(6))
            assert network.encoded == [4, 4]
            assert model.usage()["frames_encoded"] == 6
            assert network.tracked == [0, 1, 2, 3, 4, 5, 3, 4, 5, 2, 1, 0, 5, 4, 3, 2, 1, 0]
            assert all(one.masks.shape == (6, 64, 64) for one in drawn)
            await model.track_clip(clip("v", FILM), prompts[:1], [0])
            assert network.encoded == [4, 4]
            assert model.usage()["frames_tracked"] == 19

    asyncio.run(main())


@pytest.mark.parametrize(
    ("keyframe", "frames", "tracked"),
    [
        pytest.param(3, [1, 4], [3, 4, 5, 2, 1], id="both-ways"),
        pytest.param(0, [0], [0], id="its-own"),
        pytest.param(1, [2], [1, 2], id="on"),
        pytest.param(5, [4], [5, 4], id="back"),
    ],
)
def test_a_track_ends_where_nothing_more_is_asked_for(keyframe, frames, tracked):
    """At the last frame that is annotated; the way back remembers the whole way on."""

    async def main():
        network = PlainNetwork()
        async with started(network) as model:
            prompt = MaskPrompt((0, 0, 500, 500), keyframe=keyframe)
            [drawn] = await model.track_clip(clip("v", FILM), [prompt], frames)
            assert network.tracked == tracked
            assert drawn.masks.any(axis=(1, 2)).all()

    asyncio.run(main())


def test_a_mask_is_the_same_whether_frames_beyond_it_are_tracked(checkpoint):
    """Bit for bit, also on the way back, which remembers frames of the way on."""
    network = load_transformers(checkpoint, device="cpu", precision="float32")

    async def main():
        async with started(network) as model:
            whole = await model.track_clip(clip(), PROMPTS, range(5))
            for frames in ([1, 3], [2]):
                part = await model.track_clip(clip(), PROMPTS, frames)
                for one, other in zip(whole, part, strict=True):
                    assert np.array_equal(one.masks[frames], other.masks)
                    assert one.predicted_iou == other.predicted_iou

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
