"""Tests for `service.looking`: what settings of SAM 2 and of media lead to."""

import asyncio

import pytest

from service.bootstrap import open_container
from service.errors import BadSettings
from service.looking import open_looking
from service.settings import Settings
from service.telemetry.metrics import Metrics
from tests.tiny_sam2 import save_tiny_sam2


def settings(tmp_path, **changes):
    """Settings that look at media, kept in a folder of the test."""
    given = {"sam2": str(tmp_path / "tiny"), "sam2_device": "cpu", "media_dir": tmp_path / "media"}
    return Settings(store="memory:", workers=1, **{**given, **changes})


def looking_at(chosen, then):
    """Open the parts, do something with them, and close them."""

    async def main():
        async with open_looking(chosen, Metrics(version="0")) as looking:
            return await then(looking)

    return asyncio.run(main())


def test_nothing_is_opened_where_nothing_looks(tmp_path):
    """Without a mask model there is no store of media, and no folder for it."""

    async def then(looking):
        assert looking is None

    looking_at(settings(tmp_path, sam2=None), then)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_named_after_its_file(tmp_path):
    """The scorer of every result tells which weights drew."""
    save_tiny_sam2(tmp_path / "tiny")

    async def then(looking):
        assert looking.lane.health().ready
        assert looking.lane._model.scorer == "sam2:tiny"

    looking_at(settings(tmp_path), then)
    assert (tmp_path / "media").is_dir()


def test_limits_are_those_of_the_settings(tmp_path):
    """What is published is what is held to."""
    save_tiny_sam2(tmp_path / "tiny")

    async def then(looking):
        limits = looking.limits
        assert (limits.upload_bytes, limits.picture_px, limits.clip_frames) == (2048, 99, 7)
        assert looking.library._decoders.limits is limits

    chosen = settings(tmp_path, max_upload_bytes=2048, max_picture_px=99, max_clip_frames=7)
    looking_at(chosen, then)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({}, "expected a SAM 2 checkpoint", id="no-checkpoint"),
        pytest.param({"sam2_device": "cuda:77"}, "expected a device that is here", id="no-device"),
        pytest.param({"sam2": "ray://head"}, "sam2: expected ray://HOST:PORT/APP", id="no-app"),
        pytest.param({"sam2_backend": "native"}, "native backend.*sam2-native", id="no-package"),
    ],
)
def test_what_cannot_be_had_stops_the_start(tmp_path, changes, message):
    """The operator hears of it in one line, before anything is served."""
    if changes:
        (tmp_path / "tiny").mkdir()
        for name in ("config.json", "model.safetensors"):
            (tmp_path / "tiny" / name).touch()

    async def main():
        async with open_container(settings(tmp_path, **changes)):
            pass

    with pytest.raises(BadSettings, match=message):
        asyncio.run(main())
