"""Command-line options made from the settings model, so that the two cannot drift apart."""

import inspect
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from service.settings import PREFIX, Settings

METAVARS = {str: "TEXT", int: "INTEGER", float: "NUMBER", bool: "true|false", Path: "PATH"}


def settings_signature() -> inspect.Signature:
    """One keyword-only parameter per setting, None where the command line does not give it."""
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[str | None, _option(name, field)],
            )
            for name, field in Settings.model_fields.items()
        ]
    )


def _option(name: str, field: FieldInfo) -> Any:
    facts = [PREFIX + name.upper()]
    if field.default not in ((), None):
        facts.append(f"default {field.default}")
    if bounds := _bounds(field):
        facts.append(bounds)
    return typer.Option(
        "--" + name.replace("_", "-"),
        metavar=_metavar(field.annotation),
        help=f"{field.description} [{', '.join(facts)}]",
        show_default=False,
    )


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    parts = [part for part in get_args(annotation) if part not in (NoneType, Ellipsis)]
    word = METAVARS[parts[0] if parts else annotation]
    return f"{word},…" if get_origin(annotation) is tuple else word


def _bounds(field: FieldInfo) -> str:
    words = []
    for bound in field.metadata:
        match bound:
            case Ge(ge=limit):
                words.append(f"from {limit}")
            case Gt(gt=limit):
                words.append(f"above {limit}")
            case Le(le=limit):
                words.append(f"to {limit}")
    return " ".join(words)
