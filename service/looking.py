"""What looks at images and videos, as the settings say: a part of the composition root."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rewards.errors import BadModel
from service.engine.masks import MaskLane
from service.engine.turns import Turns
from service.errors import BadSettings
from service.media.library import MediaLibrary
from service.media.limits import MediaLimits
from service.media.pool import DecodePool
from service.media.store import MediaStore
from service.models import mask_model
from service.settings import Settings
from service.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Looking:
    """Whatever items with images and videos need."""

    library: MediaLibrary
    limits: MediaLimits
    lane: MaskLane


@asynccontextmanager
async def open_looking(settings: Settings, metrics: Metrics) -> AsyncIterator[Looking | None]:
    """Open the media and the mask model that looks at them, where one is configured."""
    model = mask_model(settings)
    if model is None:
        yield None
        return
    limits = MediaLimits(
        upload_bytes=settings.max_upload_bytes,
        inline_bytes=settings.max_inline_bytes,
        picture_px=settings.max_picture_px,
        video_frames=settings.max_video_frames,
        video_s=settings.max_video_s,
        clip_frames=settings.max_clip_frames,
        clip_px=settings.max_clip_px,
    )
    store = MediaStore(
        settings.media_dir, max_bytes=settings.media_bytes, max_file_bytes=limits.upload_bytes
    )
    decoders = DecodePool(
        limits,
        workers=settings.decoders,
        task_s=settings.decode_s,
        memory_bytes=settings.decode_memory_bytes,
    )
    library = MediaLibrary(store, decoders)
    metrics.follow("media", library.usage)
    lane = MaskLane(model, library, Turns(settings.mask_px))
    metrics.follow("masks", lane.usage)
    try:
        await library.start()
        await lane.start()
        yield Looking(library, limits, lane)
    except BadModel as error:
        raise BadSettings(f"sam2: {error}") from None
    finally:
        await lane.close()
        await library.close()
