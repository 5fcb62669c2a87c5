"""SAM 2 behind the mask port: what the rollouts of one image or clip share is computed once."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from rewards.backends.sam2.canary import draw_once
from rewards.backends.sam2.device import LATE, Clock, Device, EncoderQueue, Ticket, in_halves
from rewards.backends.sam2.features import FeatureCache, Frames
from rewards.backends.sam2.network import Features, Network
from rewards.backends.sam2.pixels import draw, normalise, place
from rewards.backends.sam2.plan import batches, filled, reach
from rewards.errors import ModelFailed, OutOfTime, ScorerUnavailable
from rewards.ports import Clip, Health, Mask, MaskPrompt, Picture, Pixels, Segmented

Outcome = Segmented | ScorerUnavailable

TOTALS = (
    "frames_encoded",
    "prompts_decoded",
    "frames_tracked",
    "read_seconds",
    "encode_seconds",
    "decode_seconds",
    "track_seconds",
)


class Sam2MaskModel:
    """A SAM 2 network on one device, with the embeddings it made lately.

    `load` builds the network, on the device's thread; `cache_bytes` bounds the embeddings kept
    (17 MB a frame in float32). `frames_at_once` go through the image encoder together, and
    `prompts_at_once` through the mask decoder: more than one pays on a GPU, not on a CPU.
    """

    def __init__(
        self,
        load: Callable[[], Network],
        *,
        name: str,
        cache_bytes: int,
        frames_at_once: int = 1,
        prompts_at_once: int = 1,
        clock: Clock = time.monotonic,
    ) -> None:
        self._load = load
        self._name = name
        self._loaded: Network | None = None
        self._device = Device(lambda: draw_once(self._network), clock=clock)
        self._cache = FeatureCache(cache_bytes)
        self._encoder = EncoderQueue(self._device, self._encode, at_once=frames_at_once)
        self._frames_at_once = frames_at_once
        self._prompts_at_once = prompts_at_once
        self._ticket = partial(Ticket, clock=clock)
        self._totals = dict.fromkeys(TOTALS, 0.0)

    @property
    def scorer(self) -> str:
        """Family and checkpoint, such as `sam2:sam2.1-hiera-large`."""
        return f"sam2:{self._name}"

    async def start(self) -> None:
        """Load the weights and draw once; raises what stands in the way."""
        await self._device.run(self._open, Ticket())

    def _open(self) -> None:
        network = self._load()
        draw_once(network)
        self._loaded = network

    async def segment_image(
        self, picture: Picture, prompts: Sequence[MaskPrompt], *, deadline: float | None = None
    ) -> list[Outcome]:
        """Embed the picture unless that is kept, then decode the distinct prompts together."""

        async def only_frame() -> Sequence[Pixels]:
            return [await picture.pixels()]

        embedded = await self._embedded(picture.digest, only_frame, deadline)
        if isinstance(embedded, ScorerUnavailable):
            return [embedded] * len(prompts)
        size = (picture.height, picture.width)
        outcomes: dict[MaskPrompt, Outcome] = {}
        for batch in batches(prompts, self._prompts_at_once):
            job = _Job(embedded, batch, (0,), size, self._ticket(deadline))
            outcomes |= await self._finished(self._decode, job)
        return [outcomes[prompt] for prompt in prompts]

    async def track_clip(
        self,
        clip: Clip,
        prompts: Sequence[MaskPrompt],
        frames: Sequence[int],
        *,
        deadline: float | None = None,
    ) -> list[Outcome]:
        """Embed the clip's frames unless they are kept, then track each distinct prompt alone."""
        embedded = await self._embedded(clip.digest, clip.pixels, deadline)
        if isinstance(embedded, ScorerUnavailable):
            return [embedded] * len(prompts)
        size = (clip.height, clip.width)
        outcomes: dict[MaskPrompt, Outcome] = {}
        for prompt in dict.fromkeys(prompts):
            job = _Job(embedded, [prompt], frames, size, self._ticket(deadline))
            outcomes |= await self._finished(self._track, job)
        return [outcomes[prompt] for prompt in prompts]

    def keeps(self, digest: str) -> bool:
        """Whether a picture or clip can be drawn on now without a look at its pixels."""
        return digest in self._cache

    def health(self) -> Health:
        """Not ready before the start, after a failure until something succeeds, and when stuck."""
        if self._loaded is None:
            return Health(ready=False, reason="the weights are not loaded")
        trouble = self._device.trouble
        return Health(trouble is None, trouble)

    def usage(self) -> Mapping[str, float]:
        """Totals since the start, and the bytes kept now.

        Frames encoded, prompts decoded, frames tracked and the seconds of each; seconds spent
        waiting for pixels; hits and misses of the cache.
        """
        return {
            **self._totals,
            "cache_hits": self._cache.hits,
            "cache_misses": self._cache.misses,
            "cache_bytes": self._cache.nbytes,
        }

    async def close(self) -> None:
        """Stop after the step in hand and forget the embeddings."""
        await self._device.close()
        self._cache.clear()
        self._loaded = None

    async def _embedded(
        self,
        digest: str,
        read: Callable[[], Awaitable[Iterable[Pixels]]],
        deadline: float | None,
    ) -> Frames | ScorerUnavailable:
        async def embed() -> Frames:
            with self._timed("read"):
                frames = await read()
            return await self._encoder.encode(frames)

        try:
            async with asyncio.timeout(self._ticket(deadline).left_s):
                return await self._cache.get(digest, embed)
        except TimeoutError:
            return OutOfTime(LATE)
        except ScorerUnavailable as error:
            return error

    async def _finished(
        self, work: Callable[["_Job"], list[Outcome]], job: "_Job"
    ) -> dict[MaskPrompt, Outcome]:
        try:
            drawn = await self._device.run(lambda: work(job), job.ticket)
        except ScorerUnavailable as error:
            return dict.fromkeys(job.prompts, error)
        return dict(zip(job.prompts, drawn, strict=True))

    # What follows runs on the device's thread.

    def _encode(self, frames: Sequence[Pixels]) -> list[Features]:
        with self._timed("encode"):
            features = in_halves(self._embed, filled(frames, self._frames_at_once))
        self._totals["frames_encoded"] += len(frames)
        return features[: len(frames)]

    def _embed(self, frames: Sequence[Pixels]) -> list[Features]:
        network = self._network
        squares = normalise(frames, network.side_px, network.device, network.dtype)
        return network.encode(squares)

    def _decode(self, job: "_Job") -> list[Outcome]:
        with self._timed("decode"):
            drawn = in_halves(partial(self._draw, job), filled(job.prompts, self._prompts_at_once))
        self._totals["prompts_decoded"] += len(job.prompts)
        return drawn[: len(job.prompts)]

    def _draw(self, job: "_Job", prompts: Sequence[MaskPrompt]) -> list[Outcome]:
        network = self._network
        decoded = network.decode(job.embedded[0], place(prompts, network.side_px, network.device))
        masks = [draw(logits[None], *job.size) for logits in decoded.logits]
        return [
            _outcome(mask[None], iou)
            for mask, iou in zip(masks, decoded.predicted_iou.tolist(), strict=True)
        ]

    def _track(self, job: "_Job") -> list[Outcome]:
        network, [prompt] = self._network, job.prompts
        keyframe, tensors = prompt.keyframe, place([prompt], network.side_px, network.device)
        masks = np.zeros((len(job.frames), *job.size), dtype=bool)
        rows = {frame: row for row, frame in enumerate(job.frames)}
        needed = reach(keyframe, job.frames, len(job.embedded))
        with self._timed("track"):
            for frame, logits in network.track(job.embedded, tensors, keyframe, needed):
                job.ticket.check()
                self._totals["frames_tracked"] += 1
                if frame in rows:
                    masks[rows[frame]] = draw(logits, *job.size)
            decoded = network.decode(job.embedded[keyframe], tensors)
        return [_outcome(masks, decoded.predicted_iou.item())]

    @property
    def _network(self) -> Network:
        if self._loaded is None:
            raise ModelFailed("the mask model is not started")
        return self._loaded

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self._totals[f"{stage}_seconds"] += time.perf_counter() - start_s


@dataclass(frozen=True, slots=True)
class _Job:
    """Prompts on embedded frames; `frames` are to be drawn, `size` being (height, width)."""

    embedded: Frames
    prompts: Sequence[MaskPrompt]
    frames: Sequence[int]
    size: tuple[int, int]
    ticket: Ticket


def _outcome(masks: Mask, predicted_iou: float) -> Outcome:
    if not math.isfinite(predicted_iou):
        return ModelFailed("the mask model gave an estimate that is no number")
    return Segmented(masks, predicted_iou)
