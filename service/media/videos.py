"""Videos: measured by headers and packets, then sampled at a frame rate; for worker processes."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

from service.media.limits import (
    Decoded,
    Description,
    Excessive,
    MediaLimits,
    Unusable,
    check_picture,
    in_short,
)

Timed = tuple[float, VideoFrame]

HEAD_BYTES = 16
WHOLE_SHARE, SLOWEST_FRAME_S, EPSILON_S = 0.95, 1.0, 1e-9


def container_of(path: Path) -> str | None:
    """Name the demuxer for a file by its first bytes; None for what is no known video."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head[4:8] == b"ftyp":
        return "mp4"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    return None


def describe_video(path: Path, limits: MediaLimits) -> Description:
    """Say what a video is, from its headers and packets; no frame is decoded.

    Raises `Unusable` or `Excessive`. Not covered: damage inside a packet, which shows when
    the video is sampled, and a Matroska file with sound that was cut short.
    """
    with _open(path, limits) as opened:
        frames, last_s = _measure(opened, limits)
        _check_whole(opened, frames, last_s)
        stream = opened.streams.video[0]
        return Description("video", stream.width, stream.height, frames, last_s)


def decode_clip(path: Path, out: Path, limits: MediaLimits, *, fps: float) -> Decoded:
    """Write the frames nearest to 0, 1/fps, 2/fps … seconds, each at most once, as RGB bytes.

    Times count from the first frame; rotation tags are not obeyed.
    """
    times_s: list[float] = []
    with _open(path, limits) as opened, out.open("wb") as file:
        stream = opened.streams.video[0]
        width, height = stream.width, stream.height
        most = min(limits.clip_frames, limits.clip_px // (width * height))
        for time_s, frame in _nearest(_timed(opened, limits), fps):
            if len(times_s) == most:
                raise Excessive(
                    f"expected at most {most} frames of {width}x{height} at {fps:g} a second; "
                    "got more: sample fewer"
                )
            if (frame.width, frame.height) != (width, height):
                raise Unusable(f"expected frames of {width}x{height} throughout")
            times_s.append(time_s)
            file.write(frame.to_ndarray(format="rgb24").tobytes())
    if not times_s:
        raise Unusable("expected a video with frames; got none")
    return Decoded(width, height, tuple(times_s))


@contextmanager
def _open(path: Path, limits: MediaLimits) -> Iterator[InputContainer]:
    """Open a video by its own demuxer, which may read nothing but this file."""
    options = {"protocol_whitelist": "", "max_pixels": str(limits.picture_px)}
    with path.open("rb") as file:
        try:
            with av.open(file, format=container_of(path), options=options) as opened:
                _prepare(opened, limits)
                yield opened
        except (av.FFmpegError, ValueError) as error:
            raise Unusable(f"expected a whole video; {in_short(error)}") from None


def _prepare(opened: InputContainer, limits: MediaLimits) -> None:
    context = opened.streams.video[0].codec_context if opened.streams.video else None
    if context is None:
        raise Unusable("expected a video; got a file without pictures that can be decoded")
    if not context.width * context.height:
        raise Unusable(f"expected pictures of 1 to {limits.picture_px} pixels that can be opened")
    check_picture(context.width, context.height, limits)
    context.options = {"max_pixels": str(limits.picture_px)}
    context.thread_count = 1


def _measure(opened: InputContainer, limits: MediaLimits) -> tuple[int, float]:
    """Count a video's frames and return them with the time of its last packet, in seconds."""
    stream = opened.streams.video[0]
    declared_s = (opened.duration or 0) / av.time_base
    frames, first_s, last_s = 0, None, 0.0
    for packet in opened.demux(stream):
        instant = packet.dts if packet.pts is None else packet.pts
        if instant is None:
            continue
        frames += 1
        time_s = float(instant * packet.time_base)
        first_s = time_s if first_s is None else min(first_s, time_s)
        last_s = max(last_s, time_s - first_s)
        if frames > limits.video_frames or max(last_s, declared_s) > limits.video_s:
            raise Excessive(
                f"expected at most {limits.video_frames} frames and {limits.video_s:g} s; "
                f"got more than {frames - 1} and {max(last_s, declared_s):.1f} s"
            )
    return frames, last_s


def _check_whole(opened: InputContainer, frames: int, last_s: float) -> None:
    stream = opened.streams.video[0]
    lacks_frames = frames < WHOLE_SHARE * stream.frames
    # Sound may go on after the last picture, so a length says something only without it.
    lacks_time = len(opened.streams) == 1 and last_s < WHOLE_SHARE * (
        (opened.duration or 0) / av.time_base - SLOWEST_FRAME_S
    )
    if not frames or lacks_frames or lacks_time:
        raise Unusable(
            f"expected a whole video; it breaks off after {frames} frames, {last_s:.1f} s"
        )


def _timed(opened: InputContainer, limits: MediaLimits) -> Iterator[Timed]:
    first_s, last_s = None, -1.0
    for frame in opened.decode(opened.streams.video[0]):
        if frame.time is None:
            raise Unusable("expected frames with times")
        first_s = frame.time if first_s is None else first_s
        time_s = frame.time - first_s
        if not last_s < time_s <= limits.video_s:
            raise Unusable(f"expected times that ascend to {limits.video_s:g} s; got {time_s:g} s")
        last_s = time_s
        yield time_s, frame


def _nearest(frames: Iterator[Timed], fps: float) -> Iterator[Timed]:
    """Pick, of frames in order of time, each that is the nearest to some multiple of `1 / fps`."""
    target = 0
    end: list[Timed | None] = [None]
    for now, after in itertools.pairwise(itertools.chain(frames, end)):
        if now is None:
            break
        nearest_until_s = now[0] if after is None else (now[0] + after[0]) / 2
        if target / fps <= nearest_until_s + EPSILON_S:
            yield now
        while target / fps <= nearest_until_s + EPSILON_S:
            target += 1
