"""The Ray Serve applications that hold the models; `deploy/ray/serve.yaml` names them.

Their arguments are the settings `polar…` and `sam2…` of the service.
"""

from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig

from rewards.backends.ray_serve.wire import (
    About,
    CompareCall,
    Compared,
    DrawCall,
    Drawings,
    deadline_in,
    decode,
    encode,
    to_drawn,
    to_pixels,
    to_trouble,
)
from rewards.errors import ModelFailed, ScorerUnavailable
from rewards.ports import Clip, Health, Picture, Pixels, Segmented
from service.errors import BadSettings
from service.models import local_polar, local_sam2
from service.settings import Settings

# Calls with one key go to one replica, and to the next ones when that has no room.
ROUTER = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"
CALLS_AT_ONCE = 64


def polar(args: Mapping[str, Any]) -> Application:
    """POLAR, one checkpoint on each replica; raises `BadSettings`."""
    return _deployed(PolarReplica, "Polar", args, needs="polar")


def sam2(args: Mapping[str, Any]) -> Application:
    """SAM 2, one checkpoint and the embeddings it made lately on each replica."""
    return _deployed(Sam2Replica, "Sam2", args, needs="sam2")


def _deployed(replica: type, name: str, args: Mapping[str, Any], *, needs: str) -> Application:
    if not args.get(needs):
        raise BadSettings(f"expected the argument {needs!r}: a checkpoint on every node")
    _read(args)
    deployment = serve.deployment(
        replica,
        name=name,
        max_ongoing_requests=CALLS_AT_ONCE,
        request_router_config=RequestRouterConfig(request_router_class=ROUTER),
    )
    return deployment.bind(dict(args))


def _read(args: Mapping[str, Any]) -> Settings:
    return Settings.read({}, **{name: str(value) for name, value in args.items()})


class PolarReplica:
    """Scores comparisons with a checkpoint of its own."""

    async def __init__(self, args: Mapping[str, Any]) -> None:  # type: ignore[misc]  # Serve awaits it
        self._model = local_polar(_read(args), args["polar"])
        self._name = serve.get_replica_context().replica_id.unique_id
        await self._model.start()

    def check_health(self) -> None:
        """Raise when the model cannot score, so that Serve replaces this replica."""
        _insist(self._model.health())

    async def compare(self, body: bytes) -> bytes:
        """Answer a `CompareCall`."""
        call = decode(body, CompareCall)
        outcomes = await self._model.compare(call.comparisons, deadline=deadline_in(call.left_s))
        about = About(self._name, self._model.scorer, dict(self._model.usage()))
        return encode(
            Compared(
                about,
                [
                    to_trouble(one) if isinstance(one, ScorerUnavailable) else one
                    for one in outcomes
                ],
            )
        )


class Sam2Replica:
    """Draws masks with a checkpoint of its own, and remembers what it looked at."""

    async def __init__(self, args: Mapping[str, Any]) -> None:  # type: ignore[misc]  # Serve awaits it
        self._model = local_sam2(_read(args), args["sam2"])
        self._name = serve.get_replica_context().replica_id.unique_id
        await self._model.start()

    def check_health(self) -> None:
        """Raise when the model cannot draw, so that Serve replaces this replica."""
        _insist(self._model.health())

    async def draw(self, body: bytes) -> bytes:
        """Answer a `DrawCall`; ask for the pixels where nothing is kept of them."""
        call = decode(body, DrawCall)
        if call.pixels is None and not self._model.keeps(call.digest):
            return encode(Drawings(self._about(), None))
        outcomes = await self._draw(call)
        drawn = [
            to_drawn(one) if isinstance(one, Segmented) else to_trouble(one) for one in outcomes
        ]
        return encode(Drawings(self._about(), drawn))

    async def _draw(self, call: DrawCall) -> list[Segmented | ScorerUnavailable]:
        async def pixels() -> Pixels:
            if call.pixels is None:
                raise ModelFailed("what was kept of these pixels is gone")
            return to_pixels(call.pixels)

        view, deadline = (call.digest, call.height, call.width), deadline_in(call.left_s)
        if call.times_s is None:
            picture = Picture(*view, pixels)
            return await self._model.segment_image(picture, call.prompts, deadline=deadline)
        clip = Clip(*view, call.times_s, pixels)
        return await self._model.track_clip(clip, call.prompts, call.frames, deadline=deadline)

    def _about(self) -> About:
        return About(self._name, self._model.scorer, dict(self._model.usage()))


def _insist(health: Health) -> None:
    if not health.ready:
        raise RuntimeError(health.reason)
