"""From a checkpoint on disk to a mask model, with what suits the device."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from rewards.backends.sam2.model import Sam2MaskModel
from rewards.backends.sam2.network import Network
from rewards.errors import BadModel

Backend = Literal["transformers", "native"]
Precision = Literal["auto", "float32", "bfloat16"]

# Frames and prompts that go through the network together: a GPU draws eight masks nearly as fast
# as one, a processor does not.
AT_ONCE: Mapping[str, tuple[int, int]] = {"cuda": (4, 8), "cpu": (1, 1)}


def open_sam2(
    path: Path,
    *,
    backend: Backend = "transformers",
    device: str = "auto",
    precision: Precision = "auto",
    cache_bytes: int = 2**32,
) -> Sam2MaskModel:
    """Return a mask model that loads `path` when it starts.

    `auto` takes a GPU where there is one, and bfloat16 on a GPU. Raises `BadModel` for a device
    that is not there.
    """
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    kind = chosen.partition(":")[0]
    if kind not in AT_ONCE or (kind == "cuda" and not torch.cuda.is_available()):
        raise BadModel(f"expected a device that is here, cpu or cuda; got {device!r}")
    if precision == "auto":
        precision = "bfloat16" if kind == "cuda" else "float32"
    return Sam2MaskModel(
        partial(_load, backend, path, device=chosen, precision=precision),
        # The sizes of SAM 2.1 have a point in their names, so a folder's name has no suffix.
        name=path.name.removesuffix(".pt"),
        cache_bytes=cache_bytes,
        frames_at_once=AT_ONCE[kind][0],
        prompts_at_once=AT_ONCE[kind][1],
    )


# Each library is imported when it is chosen: nobody needs both.


def _load_transformers(path: Path, *, device: str, precision: str) -> Network:
    from rewards.backends.sam2.transformers_network import load_transformers

    return load_transformers(path, device=device, precision=precision)


def _load_native(path: Path, *, device: str, precision: str) -> Network:
    from rewards.backends.sam2.native_network import load_native

    return load_native(path, device=device, precision=precision)


EXTRAS: Mapping[Backend, str] = {"transformers": "sam2", "native": "sam2,sam2-native"}
LOADERS: Mapping[Backend, Callable[..., Network]] = {
    "transformers": _load_transformers,
    "native": _load_native,
}


def _load(backend: Backend, path: Path, *, device: str, precision: str) -> Network:
    try:
        return LOADERS[backend](path, device=device, precision=precision)
    except ImportError as error:
        raise BadModel(
            f"the {backend} backend of SAM 2 needs a package: {error}; "
            f"install reward-service[{EXTRAS[backend]}]"
        ) from error
