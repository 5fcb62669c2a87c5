"""Tests for `service.api.weigh`."""

from rewards.registry import lookup
from rewards.sample import Sample
from rewards.specs import ONETHINKER_RELEASED
from service.api.schemas.media import ItemMedia
from service.api.translate import Batch
from service.api.weigh import pixels_of, tokens_of
from service.engine.masks import FRAME_PX
from service.media.limits import Description

PICTURE, FILM = "a" * 64, "b" * 64
DESCRIBED = {
    PICTURE: Description("image", 40, 30),
    FILM: Description("video", 20, 10, frames=100, duration_s=4.0),
}
IMAGE_TRUTH = {"size": [30, 40], "counts": [1200]}


def batch(*pairs):
    """Samples and what each says of its media."""
    samples = [sample for sample, _ in pairs]
    media = [given and ItemMedia.model_validate(given) for _, given in pairs]
    kinds = [lookup(sample.kind, sample.media_type) for sample in samples]
    return Batch(samples, media, kinds, ONETHINKER_RELEASED, deadline=0.0)


def pixels(*pairs, most_frames=256):
    """What is estimated where two media are known."""
    return pixels_of(batch(*pairs), DESCRIBED.get, most_frames=most_frames)


def about_image(given, truth=IMAGE_TRUTH):
    """An item about an image."""
    return Sample("mask", "r", truth, "image"), {"image": given}


def about_video(given, truth):
    """An item about a video."""
    return Sample("mask", "r", truth, "video"), {"video": given}


def test_tokens_are_those_of_texts_that_a_model_reads():
    """Twice the prompt, the truth and the response, at three characters each; rules read none."""
    asked = Sample("open_ended", "r" * 30, "t" * 12, prompt="p" * 9)
    other = Sample("ocr", "r" * 300, "t" * 300, prompt="p" * 90)
    assert tokens_of(batch((asked, None), (other, None))) == (2 * 9 + 30 + 12) // 3
    assert tokens_of(batch((other, None))) == 0


def test_a_picture_is_looked_at_once_and_drawn_on_by_each_item():
    """Three rollouts of one picture of 40x30."""
    one = about_image({"sha256": PICTURE})
    assert pixels(one, one, one) == FRAME_PX + 3 * 40 * 30
    assert pixels((Sample("ocr", "r", "t"), None)) == 0


def test_of_a_clip_the_sampled_frames_are_looked_at_and_the_annotated_ones_drawn():
    """Four seconds twice a second are nine frames; three masks of 20x10 are drawn."""
    text = '{"masks": {"0": {"counts": "a"}, "1": {"counts": "b"}, "2": {"counts": "c"}}}'
    listed = {"masks": [{"counts": "a"}, {"counts": "b"}, {"counts": "c"}]}
    for truth in (text, listed):
        one = about_video({"sha256": FILM}, truth)
        assert pixels(one, one) == 9 * FRAME_PX + 2 * 3 * 200
        assert pixels(one, most_frames=2) == 2 * FRAME_PX + 2 * 200
    other_rate = about_video({"sha256": FILM, "fps": 1.0}, text)
    assert pixels(one, other_rate) == (9 + 5) * FRAME_PX + 2 * 3 * 200
    frames = about_video({"frames": [PICTURE] * 5}, text)
    assert pixels(frames) == 5 * FRAME_PX + 3 * 40 * 30


def test_what_is_not_known_counts_as_a_picture_of_1024_by_1024():
    """Nothing is decoded to find out."""
    assert pixels(about_image({"sha256": "c" * 64})) == 2 * FRAME_PX
    assert pixels(about_image({"base64": "AAAA"})) == 2 * FRAME_PX
    assert pixels(about_video({"base64": "AAAA"}, "")) == 2 * FRAME_PX
