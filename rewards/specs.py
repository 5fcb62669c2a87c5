"""Named sets of constants and formulas: what `released` and `paper` mean, in data."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rewards.errors import BadSpec, UnknownSpec

RELEASED = "onethinker-released"
PAPER = "onethinker-paper"
LARGEST_CONSTANT = 1e9
SMALLEST_STD_FLOOR = 1e-12


@dataclass(frozen=True)
class Spec:
    """Every choice that decides a number; the defaults are those of the released code.

    References: OneThinker (arXiv 2512.03043v2), equations 1-10, and its training code at
    commit 768b20f. Distances are on the 0-1000 grid, times in seconds.
    """

    name: str = RELEASED
    version: int = 1

    # Envelope and combination (paper eq. 1).
    tags: Literal["released", "paper"] = "released"
    answers: Literal["lenient", "strict"] = "lenient"
    accuracy_weight: float = 0.9
    format_weight: float = 0.1
    structure_weight: float = 1.0

    # Rule kinds.
    numerical_digits: int = 2
    relative_accuracy_precision: Literal["float32", "float64"] = "float32"

    # Grounding and tracking (eq. 3-6).
    tube_time_weight: float = 0.5
    tube_boxes_weight: float = 0.5
    tube_frames: Literal["common", "truth"] = "common"

    # Segmentation (eq. 7-8).
    points_per_side: int = 3
    point_sigma: float = 50.0
    image_box_weight: float = 0.5
    image_positive_weight: float = 0.25
    image_negative_weight: float = 0.25
    video_box_weight: float = 0.3
    video_time_weight: float = 0.3
    video_positive_weight: float = 0.2
    video_negative_weight: float = 0.2
    keyframe_kernel: Literal["laplace", "gaussian"] = "laplace"
    keyframe_scale_s: float = 2.0
    boundary_tolerance: float = 0.0075

    # Similarity (eq. 2).
    similarity: Literal["model_or_rouge", "model"] = "model_or_rouge"
    similarity_normalisation: Literal["raw", "group_minmax", "sigmoid"] = "group_minmax"

    # Advantages (eq. 9-10).
    ema_decay: float = 0.99
    std_floor: float = 1e-3
    std_epsilon: float = 1e-6
    advantage_limit: float = 5.0
    limit_rule: Literal["group_std", "clip"] = "group_std"

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            _check(name, getattr(self, name), hint)
        if self.ema_decay > 1:
            raise BadSpec(f"ema_decay: expected a number from 0 to 1; got {self.ema_decay!r}")
        if self.std_floor < SMALLEST_STD_FLOOR:
            # An advantage is a quotient by it.
            raise BadSpec(
                f"std_floor: expected at least {SMALLEST_STD_FLOOR}; got {self.std_floor!r}"
            )

    @cached_property
    def digest(self) -> str:
        """`sha256:` and the hash of the canonical JSON of every field."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _check(name: str, value: object, hint: Any) -> None:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            allowed = ", ".join(map(repr, get_args(hint)))
            raise BadSpec(f"{name}: expected one of {allowed}; got {value!r}")
    elif hint is float:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value < LARGEST_CONSTANT
        ):
            raise BadSpec(f"{name}: expected a number from 0 to 1e9; got {value!r}")
    elif isinstance(value, bool) or not isinstance(value, hint) or value in ("", -1):
        raise BadSpec(f"{name}: expected {hint.__name__}; got {value!r}")


ONETHINKER_RELEASED = Spec()

ONETHINKER_PAPER = Spec(
    name=PAPER,
    tags="paper",
    answers="strict",
    accuracy_weight=1.0,
    format_weight=1.0,
    structure_weight=0.0,
    relative_accuracy_precision="float64",
    tube_time_weight=1.0,
    tube_boxes_weight=1.0,
    tube_frames="truth",
    image_box_weight=1.0,
    image_positive_weight=1.0,
    image_negative_weight=1.0,
    video_box_weight=1.0,
    video_time_weight=1.0,
    video_positive_weight=1.0,
    video_negative_weight=1.0,
    keyframe_kernel="gaussian",
    keyframe_scale_s=1.0,
    boundary_tolerance=0.008,
    similarity="model",
    similarity_normalisation="raw",
    std_epsilon=0.0,
    limit_rule="clip",
)

BUILT_IN: Mapping[str, Spec] = {spec.name: spec for spec in (ONETHINKER_RELEASED, ONETHINKER_PAPER)}


def find_spec(name: str, specs: Mapping[str, Spec] = BUILT_IN) -> Spec:
    """Return the spec called `name`; raise `UnknownSpec` with the known names otherwise.

    >>> find_spec("onethinker-paper").format_weight
    1.0
    """
    try:
        return specs[name]
    except KeyError:
        raise UnknownSpec(f"unknown spec {name!r}; known: {', '.join(specs)}") from None


def read_spec(toml: str, specs: Mapping[str, Spec] = BUILT_IN) -> Spec:
    r"""Read an operator's own spec: a `name`, a `base`, and the constants that differ.

    Raises `BadSpec` for an unknown key, a value out of range, or the name of a built-in spec.

    >>> read_spec('name = "sharp"\nbase = "onethinker-paper"\npoint_sigma = 20').point_sigma
    20.0
    """
    try:
        overrides: dict[str, Any] = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise BadSpec(f"expected TOML: {error}") from None
    base = find_spec(str(overrides.pop("base", RELEASED)), specs)
    known = [field.name for field in fields(Spec)]
    for key in overrides:
        if key not in known:
            raise BadSpec(f"unknown key {key!r}; known: base, {', '.join(known)}")
    if overrides.get("name", base.name) in BUILT_IN:
        raise BadSpec(f"expected a `name` of its own; {', '.join(BUILT_IN)} are built in")
    floats = {field.name for field in fields(Spec) if field.type is float}
    widened: dict[str, Any] = {
        key: float(value) if key in floats and type(value) is int else value
        for key, value in overrides.items()
    }
    return replace(base, **widened)
