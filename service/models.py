"""Which models stand behind the ports, as the settings say."""

from pathlib import Path

from rewards.backends.polar_check import CheckReport, check_published
from rewards.errors import BadModel
from rewards.ports import MaskModel, SimilarityModel
from service.errors import BadSettings
from service.settings import Settings

__all__ = ["CheckReport", "check_published", "mask_model", "similarity_model"]


def similarity_model(settings: Settings) -> SimilarityModel | None:
    """Return the model that `settings.polar` names, not started yet; None where it names none.

    Raises `BadSettings` for an address that cannot be read and for an extra that is missing.
    """
    if settings.polar is None:
        return None
    try:
        if "://" in settings.polar:
            return _remote_polar(settings, settings.polar)
        return _local_polar(settings, settings.polar)
    except ModuleNotFoundError as error:
        raise BadSettings(
            f"polar: {error.name} is missing; install reward-service[service,polar]"
        ) from None
    except BadModel as error:
        raise BadSettings(f"polar: {error}") from None


def _remote_polar(settings: Settings, address: str) -> SimilarityModel:
    from rewards.backends.polar_http.addresses import Addresses
    from rewards.backends.polar_http.model import PolarHttp

    if settings.polar_tokenizer is None:
        return PolarHttp(Addresses.read(address))
    from rewards.backends.polar_transformers.tokeniser import PolarTokeniser

    tokeniser = PolarTokeniser.read(settings.polar_tokenizer)
    return PolarHttp(Addresses.read(address), tokeniser=tokeniser)


def _local_polar(settings: Settings, folder: str) -> SimilarityModel:
    from rewards.backends.polar_transformers.model import PolarOptions, PolarTransformers

    options = PolarOptions(
        device=settings.polar_device,
        dtype=settings.polar_dtype,
        batch_tokens=settings.polar_batch_tokens,
    )
    return PolarTransformers(Path(folder), options)


def mask_model(settings: Settings, checkpoint: Path) -> MaskModel:
    """Return SAM 2 with a checkpoint, run as the settings say, not started yet.

    Raises `BadSettings` for a device that is not there and for an extra that is missing.
    """
    try:
        from rewards.backends.sam2.opening import open_sam2

        return open_sam2(
            checkpoint,
            backend=settings.sam2_backend,
            device=settings.sam2_device,
            precision=settings.sam2_precision,
            cache_bytes=settings.sam2_cache_bytes,
        )
    except ModuleNotFoundError as error:
        raise BadSettings(
            f"sam2: {error.name} is missing; install reward-service[service,sam2]"
        ) from None
    except BadModel as error:
        raise BadSettings(f"sam2: {error}") from None
