"""Job files: TOML read into the records of `config`."""

import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from trainer_client.training.config import TrainingConfig, require
from trainer_client.training.errors import BadConfig


def load_config(path: Path) -> TrainingConfig:
    """Read a job's TOML file; raise `BadConfig` that names the key at fault."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{path}: {error}") from None
    return read_config(values)


def read_config(values: Mapping[str, Any]) -> TrainingConfig:
    """Build a job from parsed TOML.

    >>> read_config({"run": "a", "output": "out", "stepz": 3})
    Traceback (most recent call last):
    ...
    trainer_client.training.errors.BadConfig: stepz: unknown key; known: run, output, data, \
model, steps, seed, evaluate_every, save_every, keep_checkpoints, service, sampling, \
objective, optimiser
    """
    job: TrainingConfig = _record(TrainingConfig, values, "")
    return job


def _record(cls: type[Any], values: Mapping[str, Any], where: str) -> Any:
    known = {each.name: each for each in fields(cls)}
    for key in values:
        require(key in known, f"{where}{key}: unknown key; known: {', '.join(known)}")
    for name, each in known.items():
        optional = each.default is not MISSING or each.default_factory is not MISSING
        require(optional or name in values, f"{where}{name}: missing")
    hints = get_type_hints(cls)
    return cls(**{key: _value(hints[key], values[key], where + key) for key in values})


def _value(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    if is_dataclass(hint):
        require(isinstance(value, Mapping), f"{where}: expected a table; got {value!r}")
        return _record(hint, value, f"{where}.")  # type: ignore[arg-type]  # a class, by is_dataclass of a hint
    if get_origin(hint) is Literal:
        allowed = ", ".join(map(repr, get_args(hint)))
        require(value in get_args(hint), f"{where}: expected one of {allowed}; got {value!r}")
        return value
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), value, where)
    return _scalar(hint, value, where)


def _tuple(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    require(isinstance(value, list), f"{where}: expected a list; got {value!r}")
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(value)
    require(len(value) == len(hints), f"{where}: expected {len(hints)} values; got {value!r}")
    return tuple(_value(h, v, where) for h, v in zip(hints, value, strict=True))


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Path:
        require(isinstance(value, str), f"{where}: expected a path; got {value!r}")
        return Path(value).expanduser()
    if hint is float and type(value) is int:
        return float(value)
    require(type(value) is hint, f"{where}: expected {hint.__name__}; got {value!r}")
    return value
