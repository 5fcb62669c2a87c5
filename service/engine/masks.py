"""The lane of masks: what rollouts look at is brought in once, drawn by a model, and judged."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from rewards.errors import BadMedia, BadTruth, MissingInput, ModelFailed, OutOfTime, RewardError
from rewards.pipeline import NO_ANSWER, Prepared
from rewards.ports import Clip, Health, MaskModel, MaskPrompt, Picture, Segmented
from rewards.registry import RewardKind
from rewards.sample import Media
from rewards.score import Score
from rewards.specs import Spec
from service.engine.admission import Admission
from service.errors import ServiceError, TooLarge
from service.media.library import MediaLibrary

Outcome = Score | RewardError

LATE = OutOfTime("the deadline passed before this item's masks were drawn")
# A truth may be drawn at another size than what was uploaded, not in another shape.
MOST_STRETCHED = 0.02


@dataclass(frozen=True, slots=True)
class Look:
    """An item of a mask kind and the media it is about."""

    item: Prepared
    media: Media | None


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the items of a group share: the `masks` of their kind's row, and what they look at.

    `deadline` is an instant of `time.monotonic`.
    """

    rule: Any
    view: Picture | Clip
    spec: Spec
    deadline: float | None

    @property
    def times_s(self) -> tuple[float, ...]:
        """When each frame is; an image has one."""
        return self.view.times_s if isinstance(self.view, Clip) else (0.0,)


@dataclass(frozen=True, slots=True)
class _Drawable:
    """A prompt, and the true masks by frame that its drawing is judged against.

    `source` names the truth; `size` is height and width of its masks.
    """

    prompt: MaskPrompt
    truths: Mapping[int, Any]
    source: str
    size: tuple[int, int]


class MaskLane:
    """Judges items of the mask kinds with one model and one library of media.

    `turns` bounds, in pixels of masks, what is drawn and judged at the same time.
    """

    def __init__(self, model: MaskModel, library: MediaLibrary, turns: Admission) -> None:
        self._model = model
        self._library = library
        self._turns = turns

    async def start(self) -> None:
        """Start the model."""
        await self._model.start()

    async def close(self) -> None:
        """Stop the model."""
        await self._model.close()

    def health(self) -> Health:
        """Say whether the model can draw now, and why not."""
        return self._model.health()

    async def judge(
        self, looks: Sequence[Look], spec: Spec, *, deadline: float | None
    ) -> list[Outcome]:
        """Return one outcome for each, in order; items about the same media share what it costs."""
        groups: dict[tuple[RewardKind, Media | None], list[int]] = defaultdict(list)
        for index, look in enumerate(looks):
            groups[look.item.kind, look.media].append(index)
        judged = await asyncio.gather(
            *(
                self._judge_group([looks[index].item for index in members], media, spec, deadline)
                for (_, media), members in groups.items()
            )
        )
        outcomes: dict[int, Outcome] = {}
        for members, found in zip(groups.values(), judged, strict=True):
            outcomes.update(zip(members, found, strict=True))
        return [outcomes[index] for index in range(len(looks))]

    async def _judge_group(
        self, items: list[Prepared], media: Media | None, spec: Spec, deadline: float | None
    ) -> list[Outcome]:
        kind = items[0].kind
        try:
            async with asyncio.timeout(_left_s(deadline)):
                view = await self._view(kind, media)
        except TimeoutError:
            return [LATE] * len(items)
        except (RewardError, ServiceError) as error:
            return [_as_reward_error(error)] * len(items)
        scene = _Scene(kind.masks, view, spec, deadline)
        read = await asyncio.to_thread(_read, items, scene)
        drawables = [one for one in read if isinstance(one, _Drawable)]
        judged = iter(await self._judge_drawables(drawables, scene))
        return [next(judged) if isinstance(one, _Drawable) else one for one in read]

    async def _view(self, kind: RewardKind, media: Media | None) -> Picture | Clip:
        if kind.media == "image" and media and media.image:
            return await self._library.picture(media.image)
        if kind.media == "video" and media and (media.video or media.frames):
            return await self._library.clip(media)
        raise MissingInput(f'expected "media" with "{kind.media}": the mask model looks at it')

    async def _judge_drawables(
        self, drawables: Sequence[_Drawable], scene: _Scene
    ) -> list[Outcome]:
        """Draw together what has the same frames and size, and judge it."""
        alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for index, one in enumerate(drawables):
            alike[one.size, *one.truths].append(index)
        outcomes: list[Outcome] = [LATE] * len(drawables)
        for members in alike.values():
            found = await self._draw([drawables[index] for index in members], scene)
            for index, outcome in zip(members, found, strict=True):
                outcomes[index] = outcome
        return outcomes

    async def _draw(self, drawables: list[_Drawable], scene: _Scene) -> list[Outcome]:
        (height, width), frames = drawables[0].size, list(drawables[0].truths)
        prompts = [one.prompt for one in drawables]
        pixels = len(set(prompts)) * len(frames) * height * width
        view = replace(scene.view, height=height, width=width)
        try:
            async with self._turns.enter(None, pixels, deadline=scene.deadline):
                drawn = await self._ask(view, prompts, frames, scene.deadline)
                judged = await asyncio.to_thread(_judge, drawables, drawn, scene)
        except (RewardError, ServiceError) as error:
            return [_as_reward_error(error)] * len(drawables)
        return [
            structs.replace(one, scorer=self._model.scorer) if isinstance(one, Score) else one
            for one in judged
        ]

    async def _ask(
        self,
        view: Picture | Clip,
        prompts: list[MaskPrompt],
        frames: list[int],
        deadline: float | None,
    ) -> Sequence[Segmented | RewardError]:
        if isinstance(view, Clip):
            return await self._model.track_clip(view, prompts, frames, deadline=deadline)
        return await self._model.segment_image(view, prompts, deadline=deadline)


def _left_s(deadline: float | None) -> float | None:
    return None if deadline is None else deadline - time.monotonic()


def _as_reward_error(error: RewardError | ServiceError) -> RewardError:
    if isinstance(error, RewardError):
        return error
    if isinstance(error, TooLarge):
        return BadMedia(str(error))
    return ModelFailed(str(error))


def _read(items: Sequence[Prepared], scene: _Scene) -> list[_Drawable | Outcome]:
    """Read answers and truths; each distinct truth once."""
    known: dict[str, Mapping[int, Any] | BadTruth] = {}
    return [_read_one(item, scene, known) for item in items]


def _read_one(
    item: Prepared, scene: _Scene, known: dict[str, Mapping[int, Any] | BadTruth]
) -> _Drawable | Outcome:
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
    return _Drawable(prompt, truths, source, (mask.height, mask.width))


def _judge(
    drawables: Sequence[_Drawable], drawn: Sequence[Segmented | RewardError], scene: _Scene
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
