"""SAM 2 on Ray Serve, behind the `MaskModel` port."""

import asyncio
from collections.abc import Sequence

import msgspec

from rewards.backends.ray_serve.link import LATE
from rewards.backends.ray_serve.model import RayModel
from rewards.backends.ray_serve.wire import (
    DrawCall,
    Drawings,
    Drawn,
    Trouble,
    left_s,
    to_error,
    to_frames,
    to_segmented,
)
from rewards.errors import ModelFailed, OutOfTime, ScorerUnavailable
from rewards.ports import Clip, MaskPrompt, Picture, Segmented

Outcome = Segmented | ScorerUnavailable


class RaySam2(RayModel):
    """Draws masks on the replicas of an application.

    What is known of one image or clip is kept on one replica; its pixels are decoded and sent
    only when that replica asks for them.
    """

    family = "sam2"

    async def segment_image(
        self, picture: Picture, prompts: Sequence[MaskPrompt], *, deadline: float | None = None
    ) -> list[Outcome]:
        """Draw the distinct prompts on the replica that has the picture."""
        return await self._draw(picture, None, prompts, (0,), deadline)

    async def track_clip(
        self,
        clip: Clip,
        prompts: Sequence[MaskPrompt],
        frames: Sequence[int],
        *,
        deadline: float | None = None,
    ) -> list[Outcome]:
        """Track the distinct prompts on the replica that has the clip."""
        return await self._draw(clip, clip.times_s, prompts, frames, deadline)

    async def _draw(
        self,
        view: Picture | Clip,
        times_s: tuple[float, ...] | None,
        prompts: Sequence[MaskPrompt],
        frames: Sequence[int],
        deadline: float | None,
    ) -> list[Outcome]:
        unique = list(dict.fromkeys(prompts))
        call = DrawCall(
            digest=view.digest,
            height=view.height,
            width=view.width,
            times_s=times_s,
            prompts=unique,
            frames=list(frames),
            pixels=None,
            left_s=left_s(deadline),
        )
        try:
            drawn = await self._drawn(call, view, deadline)
        except ScorerUnavailable as error:
            return [error] * len(prompts)
        outcomes = dict(zip(unique, drawn, strict=True))
        return [outcomes[prompt] for prompt in prompts]

    async def _drawn(
        self, call: DrawCall, view: Picture | Clip, deadline: float | None
    ) -> list[Outcome]:
        reply = await self._send(call, deadline)
        if reply.outcomes is None:
            call = await _with_pixels(call, view, deadline)
            reply = await self._send(call, deadline)
        if reply.outcomes is None:
            raise ModelFailed("the replica has no use for the pixels it was sent")
        return [_outcome(one) for one in reply.outcomes]

    async def _send(self, call: DrawCall, deadline: float | None) -> Drawings:
        return await self._ask("draw", call.digest, call, Drawings, deadline=deadline)


async def _with_pixels(call: DrawCall, view: Picture | Clip, deadline: float | None) -> DrawCall:
    try:
        async with asyncio.timeout(left_s(deadline)):
            frames = await asyncio.to_thread(to_frames, await view.pixels())
    except TimeoutError:
        raise OutOfTime(LATE) from None
    return msgspec.structs.replace(call, pixels=frames, left_s=left_s(deadline))


def _outcome(one: Drawn | Trouble) -> Outcome:
    return to_error(one) if isinstance(one, Trouble) else to_segmented(one)
