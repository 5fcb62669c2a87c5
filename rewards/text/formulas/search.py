"""Formulas found in a text as math-verify finds them, looking only for what can be there.

math-verify tries twelve patterns on every text. Ten of them hold a word or a mark that few
texts have; its patterns, their order and its choice among what they match are kept.
"""

import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from types import BuiltinFunctionType
from typing import Any, Self

import sympy
from latex2sympy2_extended.latex2sympy2 import convert_to_pct
from latex2sympy2_extended.math_normalization import normalize_latex
from latex2sympy2_extended.sets import FiniteSet
from math_verify.grader import should_treat_as_complex
from math_verify.parser import (
    ExprExtractionConfig,
    LatexExtractionConfig,
    get_extraction_regexes,
    get_last_eq,
)
from sympy.parsing import parse_expr

from rewards.text.formulas.latex import read_latex
from rewards.text.formulas.numbers import read_number

FORMULAS_KEPT = 4096
LATEX, PLAIN = LatexExtractionConfig(), ExprExtractionConfig()
DIGIT = re.compile(r"\d")
LATEX_MARKS = ("$", "\\(", "[", "\\frac", "\\boxed")
FOLLOWERS = range(1, 6)
NAMES = {name: getattr(sympy, name) for name in sympy.__all__}
NAMES |= {
    name: thing for name, thing in vars(builtins).items() if isinstance(thing, BuiltinFunctionType)
}
NAMES |= {"max": sympy.Max, "min": sympy.Min}

Groups = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Formula:
    """What math-verify takes a text for: an expression of sympy, and how it was written.

    Either may be None: text that cannot be read as an expression, or nothing found at all.
    """

    expression: Any = None
    written: str | None = None


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A pattern of math-verify, for LaTeX or for plain numbers; the least priority goes first.

    `needs` is a text without which it matches nothing.
    """

    regex: re.Pattern[str]
    priority: int
    is_latex: bool
    needs: str

    @classmethod
    def of(cls, regex: re.Pattern[str], priority: int, *, is_latex: bool) -> Self:
        """Look into a pattern for the word that it cannot do without."""
        needs = next((word for word in ("answer", "boxed") if word in regex.pattern), "")
        return cls(regex, priority, is_latex, needs)


PATTERNS = sorted(
    (
        _Pattern.of(regex, priority, is_latex=config is LATEX)
        for rows, config in get_extraction_regexes([LATEX, PLAIN])
        for regex, priority in rows
    ),
    key=lambda pattern: pattern.priority,
)


@lru_cache(maxsize=FORMULAS_KEPT)
def read_formula(text: str) -> Formula:
    r"""Return what `math_verify.parse` makes of `text`.

    >>> read_formula(r"The answer is $\frac{6}{4}$.")
    Formula(expression=3/2, written='\\frac{6}{4}')
    """
    try:
        return _search(text)
    except Exception:  # noqa: BLE001 - as math-verify: what cannot be read is nothing
        return Formula()


def _search(text: str) -> Formula:
    written: str | None = None
    for _, patterns in groupby(_possible(text), key=lambda pattern: pattern.priority):
        found = [(match, p.is_latex) for p in patterns for match in p.regex.finditer(text)]
        # The last one first; of those that end alike, the longest.
        found.sort(key=lambda one: (one[0].end(), -one[0].start()), reverse=True)
        for match, is_latex in found:
            read = _read_latex if is_latex else _read_plain
            formula = read({name: part for name, part in match.groupdict().items() if part})
            written = written or formula.written
            if formula.expression is not None:
                return Formula(formula.expression, written or None)
    return Formula(None, written or None)


def _possible(text: str) -> Iterator[_Pattern]:
    folded = text.casefold()
    latex = any(mark in text for mark in LATEX_MARKS)
    plain = DIGIT.search(text) is not None
    for pattern in PATTERNS:
        if pattern.needs in folded and (latex if pattern.is_latex else plain):
            yield pattern


def _read_plain(groups: Groups) -> Formula:
    integer, decimal = _first(groups, "integer"), _first(groups, "decimal")
    if not (integer or decimal):
        return _read_calculation(groups.get("expr", ""))
    digits = integer.translate({ord(","): None, ord(" "): None}).lstrip("0") or "0"
    written = digits + decimal.replace(",", ".")
    number = read_number(written)
    return Formula(convert_to_pct(number) if "percent" in groups else number, written)


def _read_calculation(written: str) -> Formula:
    try:
        names = dict(NAMES)
        source = written.replace("\n", " ").replace("^", "**")
        return Formula(parse_expr(source, evaluate=False, global_dict=names), written)
    except Exception:  # noqa: BLE001 - it is Python's parser that meets a policy's text here
        return Formula(None, written)


def _read_latex(groups: Groups) -> Formula:
    parts = [
        _read_part(latex, groups, name)
        for prefix in ("first", *(f"next{n}" for n in FOLLOWERS))
        for latex, name in [_first_named(groups, f"{prefix}_latex")]
        if latex
    ]
    if not parts:
        return Formula()
    expressions = [part.expression for part in parts]
    if len(parts) == 1 or None in expressions:
        return parts[0]
    elements = [
        element
        for expression in expressions
        for element in (expression.args if isinstance(expression, FiniteSet) else (expression,))
    ]
    return Formula(FiniteSet(*elements), " and ".join(part.written or "" for part in parts))


def _read_part(latex: str, groups: Groups, name: str) -> Formula:
    prefix, _, kind = name.partition("_")
    config = LATEX.normalization_config
    written = normalize_latex(
        latex, config=replace(config, boxed="last") if kind == "latexBoxed" else config
    )
    try:
        expression = _read_equation(written)
        if f"{prefix}_percent" in groups:
            expression = convert_to_pct(expression)
    except Exception:  # noqa: BLE001 - the library raises nothing more specific
        expression = None
    return Formula(expression, written)


def _read_equation(latex: str) -> Any:
    try:
        return read_latex(latex, is_real=not should_treat_as_complex(latex))
    except Exception:
        last = get_last_eq(latex)
        if last == latex:
            raise
        return read_latex(last, is_real=not should_treat_as_complex(last))


def _first(groups: Groups, prefix: str) -> str:
    return _first_named(groups, prefix)[0]


def _first_named(groups: Groups, prefix: str) -> tuple[str, str]:
    """The text and the name of the first group whose name begins so."""
    named = ((text, name) for name, text in groups.items() if name.startswith(prefix))
    return next(named, ("", ""))
