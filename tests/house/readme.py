"""What documents take from the code; `python -m tests.house.readme` writes it anew."""

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml
from fastapi.routing import APIRoute

from examples.ablation.results import read_results
from examples.ablation.tables import difference_rows, reward_rows, share_rows
from rewards.errors import RewardError
from rewards.registry import KINDS, Lane
from service.api.access import ACCESS, ANY_KEY
from service.api.app import COMPATIBILITY, CONTRACT
from service.api.problems import STATUS
from service.errors import BadSettings, ServiceError
from service.settings import PREFIX, Settings
from service.telemetry.metrics import Metrics
from service.telemetry.parts import PartsCollector
from service.telemetry.usage import LEVELS, TOTALS, family_of
from tests.benchmarks.scale.costs import Costs
from tests.house.promises import held_by, promises
from tests.house.source import ROOT, modules, tree
from trainer_client.training.config import TrainingConfig

DOCUMENTS = (ROOT / "README.md", ROOT / "deploy/README.md")
PAGES = (ROOT / "deploy/alerts.md", ROOT / "docs/scale.md")
PART = re.compile(r"(<!-- (?P<name>\w+) -->\n).*?(<!-- /(?P=name) -->)", re.DOTALL)
# A literal block: `::`, and what is indented after it.
INDENTED = re.compile(r"^(?P<told>.*)::\n\n(?P<code>(?: {4}.*\n|\n)* {4}.*)", re.MULTILINE)

LANES = {
    Lane.INLINE: "in place",
    Lane.ISOLATED: "in a process that can be killed",
    Lane.MODEL: "on a reward model, or in place",
    Lane.MASKS: "on a mask model",
}


def kinds() -> str:
    """One row for each reward kind and media type."""
    rows = (
        (
            f"`{kind.name}`",
            kind.media or "",
            "text" if kind.shape.name == "text" else f"`{kind.shape.example}`",
            kind.doc,
            LANES[kind.lane],
        )
        for kind in KINDS
    )
    return table(("kind", "`media_type`", "answer", "accuracy", "judged"), rows)


def settings() -> str:
    """One row for each setting of the service."""
    rows = (
        (
            f"`--{name.replace('_', '-')}`",
            f"`{PREFIX}{name.upper()}`",
            _default(field.default),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )
    return table(("option", "variable", "default", "meaning"), rows)


def problems() -> str:
    """One row for each problem that a whole request can end in, by status."""
    rows = (
        (str(status), f"`{error.code}`", "yes" if error.retryable else "", _sentence(error))
        for error, status in sorted(STATUS.items(), key=lambda row: row[1])
        if not error.__subclasses__() and error is not BadSettings
    )
    return table(("status", "`code`", "retryable", "what happened"), rows)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    r"""A Markdown table.

    >>> print(table(["kind"], [["a|b"]]))
    | kind |
    |---|
    | a\|b |
    """
    head = list(head)
    lines = [head, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    printed = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([printed[0], "|" + "---|" * len(head), *printed[1:]])


def routes() -> str:
    """One row for each route, in the order of the application."""
    rows = (
        (
            f"`{method} {route.path}`",
            " or ".join(sorted(ACCESS[route.name])) if ACCESS[route.name] != ANY_KEY else "any",
            (route.endpoint.__doc__ or "").splitlines()[0],
        )
        for router in CONTRACT + COMPATIBILITY
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in sorted(route.methods)
    )
    return table(("route", "scope of the key", "what it does"), rows)


def adapters() -> str:
    """What every adapter says of itself, folded to its first sentence."""
    return "\n\n".join(map(_adapter, modules("trainer_client/adapters")[1:]))


def _adapter(path: Path) -> str:
    title, _, body = (ast.get_docstring(tree(path)) or "").partition("\n\n")
    told = f"[`{path}`]({path})\n\n{INDENTED.sub(_fence, body).strip()}"
    return f"<details><summary>{title}</summary>\n\n{told}\n\n</details>"


def _fence(block: re.Match[str]) -> str:
    told = f"{block['told']}:\n\n" if block["told"] else ""
    return f"{told}```\n{dedent(block['code'])}\n```"


def alerts() -> str:
    """One row for each alert: what it compares, and what to do when it fires."""
    groups = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    rows = (
        (
            f"`{rule['alert']}`",
            f"`{' '.join(rule['expr'].split())}` for {rule['for']}",
            rule["annotations"]["action"],
        )
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    )
    return table(("alert", "fires on", "what to do"), rows)


def metrics() -> str:
    """One row for each metric of the service's own, as a scrape shows it, by name."""
    families = [
        *Metrics(version="").registry.collect(),
        *PartsCollector(dict).describe(),
        *map(family_of, LEVELS | TOTALS),
    ]
    rows = (
        (
            f"`{family.name}{'_total' if family.type == 'counter' else ''}`",
            family.type,
            family.documentation,
        )
        for family in sorted(families, key=lambda family: family.name)
        if family.name.startswith("reward_")
    )
    return table(("metric", "type", "meaning"), rows)


def ablation() -> str:
    """What three estimators reached, by how much they differ, and what their gradients favour."""
    results = read_results(ROOT / "docs/ablation.json")
    parts = (reward_rows(results), difference_rows(results), share_rows(results))
    return "\n\n".join(table(head, rows) for head, *rows in parts)


def held() -> str:
    """One row for each promise: the tests that name it, and what was measured last."""
    tests = held_by()
    rows = (
        (
            str(promise.number),
            promise.says,
            "<br>".join(
                f"[{test.name.removeprefix('test_').replace('_', ' ')}]({test.path})"
                for test in tests.get(promise.number, ())
            )
            or f"none: {promise.untested}",
            promise.measured,
        )
        for promise in promises()
    )
    return table(("", "promise", "tests", "last measured"), rows)


def sizing() -> str:
    """What one core does, by the costs that were measured last."""
    costs = Costs.read()
    told = {
        "items scored a second in large requests": 1 / costs.item_s,
        "requests to `/reward` a second, with next to nothing in them": 1 / costs.request_s,
        "steps of 1,024 rollouts a second": 1 / costs.step_s,
        "such steps a second for one Redis and its disk": 1 / (costs.store_s + costs.disk_s),
    }
    return table(
        ("one core", "at most"),
        [(what, f"{float(f'{rate:.2g}'):,.0f}") for what, rate in told.items()],
    )


def jobs() -> str:
    """One row for each table of a job file: its keys with their defaults, and what they decide."""
    return table(("table", "keys", "meaning"), _tables(TrainingConfig, ""))


def _tables(cls: type[Any], name: str) -> Iterator[tuple[str, str, str]]:
    hints, keys, inner = get_type_hints(cls), [], []
    for each in fields(cls):
        options = get_args(hints[each.name]) if not is_dataclass(hints[each.name]) else ()
        nested = [hint for hint in (hints[each.name], *options) if is_dataclass(hint)]
        inner += [(hint, f"{name}.{each.name}".removeprefix(".")) for hint in nested]
        if not nested:
            keys.append(_key(each, hints[each.name]))
    told = " ".join((cls.__doc__ or "").split())
    yield f"`[{name}]`" if name else "at the top", ", ".join(keys), told
    for hint, path in inner:
        yield from _tables(hint, path)


def _key(each: Field[Any], hint: Any) -> str:
    if each.default is MISSING:
        return f"**`{each.name}`**"
    if each.default is None:
        return f"`{each.name}`"
    shown = list(each.default) if isinstance(each.default, tuple) else each.default
    others = [json.dumps(o) for o in get_args(hint) if get_origin(hint) is Literal if o != shown]
    return " or ".join(f"`{part}`" for part in (f"{each.name} = {json.dumps(shown)}", *others))


PARTS: Mapping[str, Callable[[], str]] = {
    "ablation": ablation,
    "adapters": adapters,
    "alerts": alerts,
    "jobs": jobs,
    "kinds": kinds,
    "metrics": metrics,
    "problems": problems,
    "promises": held,
    "routes": routes,
    "settings": settings,
    "sizing": sizing,
}


def renew(text: str) -> str:
    """`text` with everything between `<!-- NAME -->` and `<!-- /NAME -->` written anew."""
    return PART.sub(lambda part: f"{part[1]}{PARTS[part['name']]()}\n{part[3]}", text)


def _default(value: object) -> str:
    shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"`{shown}`" if shown and value is not None else ""


def _sentence(error: type[RewardError | ServiceError]) -> str:
    return (error.__doc__ or "").splitlines()[0]


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(renew(document.read_text(encoding="utf-8")), encoding="utf-8")
