"""What the items of one image or clip share: each truth is read once, each drawing judged once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.errors import BadTruth, RewardError
from rewards.pipeline import NO_ANSWER, Prepared
from rewards.ports import Clip, MaskPrompt, Picture, Segmented
from rewards.score import Score
from rewards.specs import Spec

Outcome = Score | RewardError

# A truth may be drawn at another size than what was uploaded, not in another shape.
MOST_STRETCHED = 0.02


@dataclass(frozen=True, slots=True)
class Scene:
    """What the items of a group share: the `masks` of their kind's row, and what they look at.

    `owner` is whose turn it takes, `deadline` an instant of `time.monotonic`.
    """

    rule: Any
    view: Picture | Clip
    spec: Spec
    owner: str
    deadline: float | None

    @property
    def times_s(self) -> tuple[float, ...]:
        """When each frame is; an image has one."""
        return self.view.times_s if isinstance(self.view, Clip) else (0.0,)


@dataclass(frozen=True, slots=True)
class Drawable:
    """A prompt, and the true masks by frame that its drawing is judged against.

    `source` names the truth; `size` is height and width of its masks.
    """

    prompt: MaskPrompt
    truths: Mapping[int, Any]
    source: str
    size: tuple[int, int]


def read_items(items: Sequence[Prepared], scene: Scene) -> list[Drawable | Outcome]:
    """Read answers and truths; each distinct truth once."""
    known: dict[str, Mapping[int, Any] | BadTruth] = {}
    return [_read_one(item, scene, known) for item in items]


def _read_one(
    item: Prepared, scene: Scene, known: dict[str, Mapping[int, Any] | BadTruth]
) -> Drawable | Outcome:
    source = item.source if isinstance(item.source, str) else json.dumps(item.source)
    if source not in known:
        try:
            known[source] = scene.rule.truths(item.source, scene.times_s)
        except BadTruth as error:
            known[source] = error
    truths = known[source]
    if isinstance(truths, BadTruth):
        return truths
    mask = next(iter(truths.values()))
    view = scene.view
    if abs(mask.width * view.height / (mask.height * view.width) - 1) > MOST_STRETCHED:
        return BadTruth(
            f"expected masks in the shape of {view.width}x{view.height}; "
            f"got {mask.width}x{mask.height}"
        )
    prompt: MaskPrompt | Score = (
        Score.miss(NO_ANSWER)
        if item.text is None
        else scene.rule.prompt(item.answer, scene.times_s)
    )
    if isinstance(prompt, Score):
        missed: Score = scene.rule.miss(prompt, truths)
        return missed
    return Drawable(prompt, truths, source, (mask.height, mask.width))


def judge_drawings(
    drawables: Sequence[Drawable], drawn: Sequence[Segmented | RewardError], scene: Scene
) -> list[Outcome]:
    """Compare drawings with truths; rollouts that say the same about the same are judged once."""
    judged: dict[tuple[MaskPrompt, str], Outcome] = {}
    for one, found in zip(drawables, drawn, strict=True):
        key = one.prompt, one.source
        if key not in judged:
            judged[key] = (
                scene.rule.judge(found, one.truths, scene.spec)
                if isinstance(found, Segmented)
                else found
            )
    return [judged[one.prompt, one.source] for one in drawables]
