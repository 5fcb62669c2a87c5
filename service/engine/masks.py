"""The lane of masks: what rollouts look at is brought in once, drawn by a model, and judged."""

import asyncio
import logging
import time
import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from rewards.errors import BadMedia, MissingInput, ModelFailed, OutOfTime, RewardError
from rewards.pipeline import Prepared
from rewards.ports import Clip, Health, MaskModel, MaskPrompt, Picture, Segmented
from rewards.registry import RewardKind
from rewards.sample import Media
from rewards.score import Score
from rewards.specs import Spec
from service.engine.scenes import Drawable, Outcome, Scene, judge_drawings, read_items
from service.engine.turns import Turns
from service.errors import ServiceError, TooLarge
from service.media.library import MediaLibrary

log = logging.getLogger(__name__)

LATE = OutOfTime("the deadline passed before this item's masks were drawn")
# What the embedding of a frame takes: 16 bytes for each pixel of SAM 2's 1024x1024.
FRAME_PX = 2**20


@dataclass(frozen=True, slots=True)
class Look:
    """An item of a mask kind and the media it is about."""

    item: Prepared
    media: Media | None


@dataclass(frozen=True, slots=True)
class Viewing:
    """What items of one group share from the start."""

    media: Media | None
    spec: Spec
    owner: str
    deadline: float | None


class MaskLane:
    """Judges items of the mask kinds with one model and one library of media.

    `turns` bounds what is in hand at the same time, in pixels of the masks that are drawn and
    of the frames that are looked at.
    """

    def __init__(self, model: MaskModel, library: MediaLibrary, turns: Turns) -> None:
        self._model = model
        self._library = library
        self._turns = turns
        self._judge_seconds = 0.0

    async def start(self) -> None:
        """Start the model."""
        await self._model.start()

    async def close(self) -> None:
        """Stop the model."""
        await self._model.close()

    def health(self) -> Health:
        """Say whether the model can draw now, and why not."""
        return self._model.health()

    def usage(self) -> Mapping[str, float]:
        """What the model tells, pixels in hand and waiting, and the seconds spent comparing."""
        return {
            **self._model.usage(),
            "active_px": self._turns.active,
            "waiting_px": self._turns.waiting,
            "judge_seconds": self._judge_seconds,
        }

    async def judge(
        self, looks: Sequence[Look], spec: Spec, *, owner: str = "", deadline: float | None = None
    ) -> list[Outcome]:
        """Return one outcome for each, in order; items about the same media share what it costs.

        Owners take turns. `deadline` is an instant of `time.monotonic()`.
        """
        groups: dict[tuple[RewardKind, Media | None], list[int]] = defaultdict(list)
        for index, look in enumerate(looks):
            groups[look.item.kind, look.media].append(index)
        judged = await asyncio.gather(
            *(
                self._judge_safely(
                    [looks[index].item for index in members], Viewing(media, spec, owner, deadline)
                )
                for (_, media), members in groups.items()
            )
        )
        outcomes: dict[int, Outcome] = {}
        for members, found in zip(groups.values(), judged, strict=True):
            outcomes.update(zip(members, found, strict=True))
        return [outcomes[index] for index in range(len(looks))]

    async def _judge_safely(self, items: list[Prepared], about: Viewing) -> list[Outcome]:
        try:
            return await self._judge_group(items, about)
        except Exception as error:  # noqa: BLE001 - the boundary of this lane: the others go on
            place, name = traceback.extract_tb(error.__traceback__)[-1], type(error).__name__
            at = f"{place.filename}:{place.lineno}"
            log.error("masks failed: %s at %s", name, at)  # noqa: TRY400 - its text may hold a payload
            failed = ModelFailed(f"the masks could not be judged: {name}")
            return [failed] * len(items)

    async def _judge_group(self, items: list[Prepared], about: Viewing) -> list[Outcome]:
        kind = items[0].kind
        try:
            async with asyncio.timeout(_left_s(about.deadline)):
                view = await self._view(kind, about.media)
        except TimeoutError:
            return [LATE] * len(items)
        except (RewardError, ServiceError) as error:
            return [_as_reward_error(error)] * len(items)
        scene = Scene(kind.masks, view, about.spec, about.owner, about.deadline)
        read = await asyncio.to_thread(read_items, items, scene)
        drawables = [one for one in read if isinstance(one, Drawable)]
        judged = iter(await self._judge_drawables(drawables, scene))
        return [next(judged) if isinstance(one, Drawable) else one for one in read]

    async def _view(self, kind: RewardKind, media: Media | None) -> Picture | Clip:
        if kind.media == "image" and media and media.image:
            return await self._library.picture(media.image)
        if kind.media == "video" and media and (media.video or media.frames):
            return await self._library.clip(media)
        raise MissingInput(f'expected "media" with "{kind.media}": the mask model looks at it')

    async def _judge_drawables(self, drawables: Sequence[Drawable], scene: Scene) -> list[Outcome]:
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

    async def _draw(self, drawables: list[Drawable], scene: Scene) -> list[Outcome]:
        (height, width), frames = drawables[0].size, list(drawables[0].truths)
        prompts = [one.prompt for one in drawables]
        masks_px = len(set(prompts)) * len(frames) * height * width
        pixels = masks_px + len(scene.times_s) * FRAME_PX
        view = replace(scene.view, height=height, width=width)
        try:
            async with self._turns.turn(scene.owner, pixels, deadline=scene.deadline):
                drawn = await self._ask(view, prompts, frames, scene.deadline)
                begun_s = time.perf_counter()
                judged = await asyncio.to_thread(judge_drawings, drawables, drawn, scene)
                self._judge_seconds += time.perf_counter() - begun_s
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
