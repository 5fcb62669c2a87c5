"""Which models stand behind the ports, as the settings say."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rewards.backends.polar_check import CheckReport, check_published
from rewards.backends.polar_transformers.checkpoint import Checkpoint
from rewards.backends.ray_serve.address import SCHEME, RayAddress
from rewards.errors import BadModel
from rewards.ports import MaskModel, SimilarityModel
from service.errors import BadSettings
from service.settings import Settings

if TYPE_CHECKING:
    from rewards.backends.polar_transformers.model import PolarTransformers
    from rewards.backends.sam2.model import Sam2MaskModel

__all__ = [
    "CheckReport",
    "check_published",
    "local_polar",
    "local_sam2",
    "mask_model",
    "similarity_model",
]


def similarity_model(settings: Settings) -> SimilarityModel | None:
    """Return the model that `settings.polar` names, not started yet; None where it names none.

    Raises `BadSettings` for an address that cannot be read and for an extra that is missing.
    """
    if settings.polar is None:
        return None
    if settings.polar.startswith(SCHEME):
        return _ray_polar(settings.polar)
    if "://" in settings.polar:
        return _remote_polar(settings, settings.polar)
    return local_polar(settings, settings.polar)


def mask_model(settings: Settings) -> MaskModel | None:
    """Return the model that `settings.sam2` names, not started yet; None where it names none.

    Raises `BadSettings` for a device that is not there, for an address that cannot be read and
    for an extra that is missing.
    """
    if settings.sam2 is None:
        return None
    if settings.sam2.startswith(SCHEME):
        return _ray_sam2(settings.sam2)
    return local_sam2(settings, settings.sam2)


def local_polar(settings: Settings, folder: str) -> "PolarTransformers":
    """Return POLAR with the checkpoint in a folder, run as the settings say."""
    with _explained("polar", extras="service,polar"):
        # What is not there is told before libraries are loaded that take many seconds.
        Checkpoint.read(Path(folder))
        from rewards.backends.polar_transformers.model import PolarOptions, PolarTransformers

        options = PolarOptions(
            device=settings.polar_device,
            dtype=settings.polar_dtype,
            batch_tokens=settings.polar_batch_tokens,
        )
        return PolarTransformers(Path(folder), options)


def local_sam2(settings: Settings, checkpoint: str) -> "Sam2MaskModel":
    """Return SAM 2 with a checkpoint, run as the settings say."""
    with _explained("sam2", extras="service,sam2"):
        _look_for_sam2(Path(checkpoint))
        from rewards.backends.sam2.opening import open_sam2

        return open_sam2(
            Path(checkpoint),
            backend=settings.sam2_backend,
            device=settings.sam2_device,
            precision=settings.sam2_precision,
            cache_bytes=settings.sam2_cache_bytes,
        )


def _look_for_sam2(path: Path) -> None:
    if path.is_file():
        return
    for name in ("config.json", "*.safetensors"):
        if not any(path.glob(name)):
            raise BadModel(f"expected a SAM 2 checkpoint in {path}: there is no {name}")


def _remote_polar(settings: Settings, address: str) -> SimilarityModel:
    with _explained("polar", extras="service,polar"):
        from rewards.backends.polar_http.addresses import Addresses
        from rewards.backends.polar_http.model import PolarHttp

        if settings.polar_tokenizer is None:
            return PolarHttp(Addresses.read(address))
        from rewards.backends.polar_transformers.tokeniser import PolarTokeniser

        tokeniser = PolarTokeniser.read(settings.polar_tokenizer)
        return PolarHttp(Addresses.read(address), tokeniser=tokeniser)


def _ray_polar(address: str) -> SimilarityModel:
    with _explained("polar", extras="service,ray"):
        from rewards.backends.ray_serve.similarity import RayPolar

        _look_for_ray()
        return RayPolar(RayAddress.read(address))


def _ray_sam2(address: str) -> MaskModel:
    with _explained("sam2", extras="service,sam2,ray"):
        from rewards.backends.ray_serve.masks import RaySam2

        _look_for_ray()
        return RaySam2(RayAddress.read(address))


def _look_for_ray() -> None:
    # Only a process of its own imports it.
    if find_spec("ray") is None:
        raise ModuleNotFoundError(name="ray")


@contextmanager
def _explained(setting: str, *, extras: str) -> Iterator[None]:
    """Raise `BadSettings` where a library is missing or a model cannot be used."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise BadSettings(
            f"{setting}: {error.name} is missing; install reward-service[{extras}]"
        ) from None
    except BadModel as error:
        raise BadSettings(f"{setting}: {error}") from None
