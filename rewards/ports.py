"""What a model must offer to score answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rewards.errors import ScorerUnavailable

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """An output to be compared with a reference, both being answers to one prompt."""

    prompt: str
    reference: str
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a model can score now, and in one line why it cannot.

    `heard_at` is when an answer or a failure last told so, an instant of `time.monotonic`; None of
    what is not asked all the time.
    """

    ready: bool
    reason: str | None = None
    heard_at: float | None = field(default=None, compare=False)


class SimilarityModel(Protocol):
    """A model that says how close an output comes to a reference, on a scale of its own."""

    @property
    def scorer(self) -> str:
        """What every result names as its scorer, such as `polar:POLAR-7B`."""
        ...

    async def start(self) -> None:
        """Load, verify and warm up; raise when the model cannot be used as it stands."""
        ...

    async def compare(
        self, comparisons: Sequence[Comparison], *, deadline: float | None = None
    ) -> list[float | ScorerUnavailable]:
        """Score each comparison, in order: a finite raw score, or why there is none.

        `deadline` is in seconds on the clock of `time.monotonic`; what is not done by then is
        answered `OutOfTime`. Cancelling the call drops what has not been computed yet.
        """
        ...

    def health(self) -> Health:
        """What is known now, without asking the model."""
        ...

    def usage(self) -> Mapping[str, float]:
        """Totals since the start and levels now; `name/address` where each address has its own."""
        ...

    async def close(self) -> None:
        """Let go of the device and the connections; what still waits is unscored."""
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """An image by its content hash; `pixels` decodes it, if nothing derived from it is kept.

    The pixels are RGB, shape `(height, width, 3)`.
    """

    digest: str
    height: int
    width: int
    pixels: Callable[[], Awaitable[Pixels]]


@dataclass(frozen=True, slots=True)
class Clip:
    """The sampled frames of a video; `digest` names content and sampling together.

    The pixels are RGB, shape `(frames, height, width, 3)`; frame `i` stands at `times_s[i]`.
    """

    digest: str
    height: int
    width: int
    times_s: tuple[float, ...]
    pixels: Callable[[], Awaitable[Pixels]]


@dataclass(frozen=True, slots=True)
class MaskPrompt:
    """Where an answer says the object is, on the 0-1000 grid; `keyframe` indexes a clip's frames.

    A box is `(x1, y1, x2, y2)`, a point `(x, y)`; every coordinate lies within the grid.
    """

    box: Box
    positive: tuple[Point, ...] = ()
    negative: tuple[Point, ...] = ()
    keyframe: int = 0


@dataclass(frozen=True, slots=True)
class Segmented:
    """The masks made from one prompt, shape `(frames, height, width)`, one frame for an image.

    `predicted_iou` is the model's own estimate, for a clip at its keyframe.
    """

    masks: Mask
    predicted_iou: float


class MaskModel(Protocol):
    """Turns prompts into masks; what one prompt earns does not depend on its neighbours.

    `deadline` is in seconds on the clock of `time.monotonic`; what is not done by then is
    answered `OutOfTime`. Cancelling a call drops what has not been computed yet.
    """

    @property
    def scorer(self) -> str:
        """What every result names as its scorer, such as `sam2:sam2.1-hiera-large`."""
        ...

    async def start(self) -> None:
        """Load, verify and warm up; raise when the model cannot be used as it stands."""
        ...

    async def segment_image(
        self, picture: Picture, prompts: Sequence[MaskPrompt], *, deadline: float | None = None
    ) -> list[Segmented | ScorerUnavailable]:
        """Embed the picture once and decode all prompts; results stand in their order."""
        ...

    async def track_clip(
        self,
        clip: Clip,
        prompts: Sequence[MaskPrompt],
        frames: Sequence[int],
        *,
        deadline: float | None = None,
    ) -> list[Segmented | ScorerUnavailable]:
        """Embed each frame once, then track every prompt alone, both ways from its keyframe.

        Masks are returned for `frames` (indices, ascending).
        """
        ...

    def health(self) -> Health:
        """What is known now, without asking the model."""
        ...

    def usage(self) -> Mapping[str, float]:
        """Totals since the start: what was embedded, decoded and tracked, and for how long."""
        ...

    async def close(self) -> None:
        """Let go of the device; what still waits is unscored."""
        ...
