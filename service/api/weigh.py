"""What a batch asks of the models, estimated before anything of it is decoded."""

from collections.abc import Callable

from rewards.registry import Lane
from rewards.sample import JSON, Sample
from service.api.schemas.media import ItemMedia, VideoReference
from service.api.translate import Batch
from service.engine.masks import FRAME_PX
from service.media.limits import Description

# English has four characters a token, Chinese little more than one.
CHARACTERS_PER_TOKEN = 3

Known = Callable[[str], Description | None]


def tokens_of(batch: Batch) -> int:
    """Tokens that a similarity model would read: the prompt stands before both answers."""
    characters = sum(
        2 * len(sample.prompt or "") + len(sample.response) + len(str(sample.ground_truth))
        for sample, kind in zip(batch.samples, batch.kinds, strict=True)
        if kind.lane is Lane.MODEL
    )
    return characters // CHARACTERS_PER_TOKEN


def pixels_of(batch: Batch, known: Known, *, most_frames: int) -> int:
    """Pixels that a mask model would look at, each medium once, and draw, for each item.

    What is not `known` counts as a picture of 1024x1024. No clip has more than `most_frames`.
    """
    looked: dict[object, int] = {}
    drawn = 0
    for sample, given in zip(batch.samples, batch.media, strict=bool(batch.media)):
        if given is None:
            continue
        frames, size_px = _measure(given, known)
        frames = min(frames, most_frames)
        looked[_name(given)] = frames * FRAME_PX
        drawn += min(frames, _annotated(sample)) * size_px
    return sum(looked.values()) + drawn


def _measure(given: ItemMedia, known: Known) -> tuple[int, int]:
    reference = given.image or given.video
    listed = reference.frames if isinstance(reference, VideoReference) else None
    digest = listed[0] if listed else reference.sha256 if reference else None
    found = known(digest) if digest else None
    frames = len(listed) if listed else 1
    if found is None:
        return frames, FRAME_PX
    if isinstance(reference, VideoReference) and not listed:
        frames += int(found.duration_s * reference.fps)
    return frames, found.width * found.height


def _name(given: ItemMedia) -> object:
    image, video = given.image, given.video
    if image is not None:
        return image.sha256 or image.base64
    return video and (video.sha256 or video.base64 or tuple(video.frames or ()), video.fps)


def _annotated(sample: Sample) -> int:
    truth: JSON = sample.ground_truth
    if isinstance(truth, str):
        return max(1, truth.count('"counts"'))
    masks = truth.get("masks") if isinstance(truth, dict) else None
    return len(masks) if isinstance(masks, dict | list) else 1
