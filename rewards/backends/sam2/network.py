"""What a SAM 2 network must be able to do, whichever library its layers come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Tensor = Any


@dataclass(frozen=True, slots=True)
class Features:
    """What the image encoder makes of one frame: maps of shape `(1, channels, side, side)`.

    The finest map stands first; positional encodings, the same for every frame, are not here.
    """

    maps: tuple[Tensor, ...]

    @property
    def nbytes(self) -> int:
        """Memory taken on the device."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.maps)


@dataclass(frozen=True, slots=True)
class PromptTensors:
    """Prompts with equally many points: `points` `(prompts, count, 2)`, `labels` without the 2.

    Points are in pixels of the network's input. Label 2 and 3 mark a box's corners, 1 a
    point on the object, 0 a point off it.
    """

    points: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Decoded:
    """Mask logits `(prompts, 1, side, side)`, and the network's own IoU estimate of each."""

    logits: Tensor
    predicted_iou: Tensor


class Network(Protocol):
    """The parts of SAM 2 on one device; every method blocks and belongs on one thread."""

    @property
    def side_px(self) -> int:
        """Height and width of the network's input."""
        ...

    @property
    def device(self) -> Any:
        """Where the weights are."""
        ...

    @property
    def dtype(self) -> Any:
        """What the network computes in."""
        ...

    def encode(self, frames: Tensor) -> list[Features]:
        """Embed normalised frames, shape `(frames, 3, side_px, side_px)`."""
        ...

    def decode(self, features: Features, prompts: PromptTensors) -> Decoded:
        """Draw one mask for each prompt on one frame."""
        ...

    def track(
        self, clip: Sequence[Features], prompt: PromptTensors, keyframe: int, reach: range
    ) -> Iterator[tuple[int, Tensor]]:
        """Track one prompt on from its keyframe to the end of `reach`, then back to its start.

        Yields the frames of `reach`, the keyframe among them, each once, with mask logits of
        shape `(1, 1, side, side)`.
        """
        ...
