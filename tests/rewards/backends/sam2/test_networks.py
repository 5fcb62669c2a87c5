"""Two libraries, one answer: both networks, each beside the library's own way to use it."""

import asyncio
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Sam2Model, Sam2VideoInferenceSession, Sam2VideoModel

from rewards.backends.sam2.model import Sam2MaskModel
from rewards.backends.sam2.pixels import normalise, place
from rewards.backends.sam2.transformers_network import load_transformers
from rewards.errors import BadModel
from tests.rewards.backends.sam2.scenes import PROMPTS, clip, pan, picture
from tests.tiny_sam2 import SIDE_PX


@pytest.fixture(scope="module")
def network(checkpoint):
    """Return the tiny network in float32 on the CPU."""
    return load_transformers(checkpoint, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def drawn(network):
    """Return what the transformers backend draws on picture and clip."""

    async def draw():
        model = Sam2MaskModel(lambda: network, name="tiny", cache_bytes=2**28)
        await model.start()
        image = await model.segment_image(picture(), PROMPTS)
        video = await model.track_clip(clip(), PROMPTS, range(5))
        await model.close()
        return image, video

    return asyncio.run(draw())


@pytest.fixture
def features(network):
    """Return the picture's embedding."""
    pixels = asyncio.run(picture().pixels())
    with torch.inference_mode():
        return network.encode(normalise([pixels], SIDE_PX, "cpu", torch.float32))[0]


def agreement(ours, theirs):
    """Return the share of pixels on which two stacks of masks agree."""
    return (np.stack([one.masks for one in ours]) == theirs).mean()


def test_both_backends_draw_the_same_masks(drawn, native):
    """With the same weights the masks of an image agree, and so do the estimates of their IoU."""
    image, _ = drawn
    assert agreement(image, native["image"]) > 0.9999
    assert [one.predicted_iou for one in image] == pytest.approx(native["image_iou"], abs=1e-5)


def test_both_backends_track_the_same_masks(drawn, native):
    """Through a clip as well, forward and back from different keyframes."""
    _, video = drawn
    assert agreement(video, native["video"]) > 0.9999
    assert [one.predicted_iou for one in video] == pytest.approx(native["video_iou"], abs=1e-5)


def test_both_backends_stop_where_nothing_more_is_asked_for(native):
    """Meta's layers too draw the same masks without the frames beyond."""
    assert np.array_equal(native["part"], native["video"][:, [1, 3]])


def test_the_masks_compared_are_not_trivial(drawn):
    """They differ between prompts, and are neither empty nor full."""
    for outcomes in drawn:
        areas = [one.masks.mean() for one in outcomes]
        assert len(set(areas)) == len(PROMPTS)
        assert all(0.05 < area < 0.95 for area in areas)


def test_the_native_loop_tracks_as_the_video_predictor_does(native):
    """Driving the layers step by step gives Meta's own logits."""
    assert np.abs(native["predictor"]).max() > 1e-3
    assert np.abs(native["loop"] - native["predictor"]).max() < 1e-6


def test_a_native_checkpoint_of_real_size_loads_by_its_name(native):
    """The name names the configuration; 1024 px is that of the published models."""
    assert native["side_px"] == 1024


def test_pickled_code_in_a_checkpoint_is_refused(native):
    """What a pickle would run is not run."""
    assert "UnpicklingError(" in str(native["hostile"])
    assert not native["pwned"]


def test_a_checkpoint_of_unknown_name_is_refused(native):
    """The message lists the names that are known."""
    assert "expected a checkpoint named sam2_hiera_tiny" in str(native["renamed"])


def test_decoding_is_that_of_the_image_model(checkpoint, network, features):
    """The video model's layers, called one by one, draw what `Sam2Model` draws.

    That model puts a box's corners after the points; attention does not mind the order.
    """
    reference = Sam2Model.from_pretrained(checkpoint).eval()
    tensors = place(PROMPTS[:1], SIDE_PX, "cpu")
    pixels = asyncio.run(picture().pixels())
    with torch.inference_mode():
        decoded = network.decode(features, tensors)
        expected = reference(
            normalise([pixels], SIDE_PX, "cpu", torch.float32),
            input_points=tensors.points[None, :, 2:],
            input_labels=tensors.labels[None, :, 2:],
            input_boxes=tensors.points[:, :2].reshape(1, 1, 4),
            multimask_output=False,
        )
    assert torch.allclose(decoded.logits[0], expected.pred_masks[0, 0], atol=1e-6)
    assert decoded.predicted_iou.item() == pytest.approx(expected.iou_scores.item(), abs=1e-6)


def test_tracking_is_that_of_a_plain_session(checkpoint, network):
    """Sharing features and the positional encoding changes nothing a session would compute."""
    reference = Sam2VideoModel.from_pretrained(checkpoint).eval()
    frames = normalise(pan(), SIDE_PX, "cpu", torch.float32)
    tensors = place(PROMPTS[1:2], SIDE_PX, "cpu")
    session = Sam2VideoInferenceSession(
        video=frames, video_height=240, video_width=320, dtype=torch.float32
    )
    session.obj_id_to_idx(1)
    inputs = {"point_coords": tensors.points[None], "point_labels": tensors.labels[None]}
    session.add_point_inputs(0, 2, inputs)
    session.obj_with_new_inputs = [1]
    with torch.inference_mode():
        expected = {
            output.frame_idx: output.pred_masks
            for back in (False, True)
            for output in reference.propagate_in_video_iterator(session, 2, reverse=back)
        }
        embedded = [network.encode(frame[None])[0] for frame in frames]
        tracked = list(network.track(embedded, tensors, 2, range(5)))
    assert [index for index, _ in tracked] == [2, 3, 4, 1, 0]
    for index, logits in tracked:
        assert torch.allclose(logits, expected[index], atol=1e-6)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    """Its configuration tells, before any weight is read."""
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(BadModel, match=r"of type 'sam2_video'.*'llama'"):
        load_transformers(tmp_path, device="cpu", precision="float32")


def test_a_checkpoint_without_all_its_weights_is_refused(checkpoint, tmp_path):
    """What is missing is named, and never left to chance."""
    weights = load_file(checkpoint / "model.safetensors")
    del weights["mask_decoder.iou_token.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(checkpoint / "config.json", tmp_path)
    with pytest.raises(BadModel, match=r"1 missing: \['mask_decoder.iou_token.weight'\]"):
        load_transformers(tmp_path, device="cpu", precision="float32")


def test_half_precision_halves_the_memory_and_keeps_the_features(checkpoint, features):
    """In bfloat16 every map points where that of float32 does, and every step still runs.

    Masks are not compared: among random ones the network's choice turns on a thousandth.
    """
    half = load_transformers(checkpoint, device="cpu", precision="bfloat16")
    pixels = asyncio.run(picture().pixels())
    with torch.inference_mode():
        [halved] = half.encode(normalise([pixels], SIDE_PX, "cpu", torch.bfloat16))
        decoded = half.decode(halved, place(PROMPTS[:2], SIDE_PX, "cpu"))
        tracked = list(
            half.track([halved, halved], place(PROMPTS[:1], SIDE_PX, "cpu"), 0, range(2))
        )
    assert halved.nbytes * 2 == features.nbytes == 4 * (32 * 64**2 + 64 * 32**2 + 256 * 16**2)
    for ours, full in zip(halved.maps, features.maps, strict=True):
        cosine = torch.cosine_similarity(ours.float().flatten(), full.flatten(), dim=0)
        assert cosine > 0.99
    assert [index for index, _ in tracked] == [0, 1]
    assert all(torch.isfinite(logits).all() for logits in (decoded.logits, tracked[1][1]))
