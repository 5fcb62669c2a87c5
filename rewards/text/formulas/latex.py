r"""LaTeX as latex2sympy2-extended reads it, parsed once for each shape.

Most of the time of that library goes into finding the parse tree, which depends on the kinds of
the tokens and not on their texts: `12\sqrt{7}` and `5\sqrt{11}` have the same. So trees are kept,
and the next formula of a shape lends its tokens to the tree that is there.
"""

from collections import OrderedDict
from dataclasses import dataclass
from threading import RLock
from types import SimpleNamespace
from typing import Any

from antlr4 import CommonTokenStream, InputStream
from antlr4.atn.PredictionMode import PredictionMode
from latex2sympy2_extended.latex2sympy2 import PSLexer, PSParser, _Latex2Sympy

from rewards.text.formulas.numbers import DECIMAL, INTEGER, read_number

TREES_KEPT = 512
LONGEST_KEPT = 48

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A parse tree and the tokens in it; no root means that no formula has this shape."""

    tokens: list[Any]
    root: Any


class _Reader(_Latex2Sympy):  # type: ignore[misc]  # the library has no types
    """The library's own reader, given trees that were kept and a quicker way to numbers."""

    def create_parser(self, latex: str) -> Any:
        """Return what the reader takes for a parser: something that has a tree."""
        listener = self.MathErrorListener(latex)
        lexer = PSLexer(InputStream(latex))
        lexer.removeErrorListeners()
        lexer.addErrorListener(listener)
        stream = CommonTokenStream(lexer)
        stream.fill()
        root = _parse(stream, listener)
        if root is None:
            raise ValueError("expected a formula")
        return SimpleNamespace(math=lambda: root)

    def parse_number(self, text: str) -> Any:
        """Return the number that a token stands for."""
        digits = text.replace(",", "")
        return read_number(digits.lstrip("0") or "0" if digits.isdigit() else digits)


_trees: OrderedDict[Shape, _Parsed] = OrderedDict()
_lock = RLock()


def read_latex(latex: str, *, is_real: bool) -> Any:
    """Return the sympy expression that latex2sympy2-extended reads; raises where it does.

    `is_real` is what every symbol is assumed to be.
    """
    if DECIMAL.fullmatch(latex) or INTEGER.fullmatch(latex):
        return read_number(latex)
    # The next formula of a shape would change the tokens of this one while it is converted.
    with _lock:
        return _Reader(is_real=is_real).parse(latex)


def _parse(stream: Any, listener: Any) -> Any:
    shape = tuple(token.type for token in stream.tokens)
    kept = _trees.get(shape)
    if kept is None:
        kept = _Parsed(stream.tokens, _find_tree(stream, listener))
        _keep(shape, kept)
    else:
        _trees.move_to_end(shape)
        for token, lent in zip(kept.tokens, stream.tokens, strict=True):
            token.source, token.start, token.stop = lent.source, lent.start, lent.stop
    return kept.root


def _keep(shape: Shape, parsed: _Parsed) -> None:
    if len(shape) <= LONGEST_KEPT:
        _trees[shape] = parsed
        if len(_trees) > TREES_KEPT:
            _trees.popitem(last=False)


def _find_tree(stream: Any, listener: Any) -> Any:
    # As ANTLR advises: the quick mode finds the very tree of the thorough one, or an error that
    # may be none.
    for mode in (PredictionMode.SLL, PredictionMode.LL):
        stream.seek(0)
        parser = PSParser(stream)
        parser.removeErrorListeners()
        parser.addErrorListener(listener)
        parser._interp.predictionMode = mode  # noqa: SLF001 - where ANTLR documents it to be set
        try:
            return parser.math()
        except Exception:  # noqa: BLE001, S112 - the listener raises nothing more specific
            continue
    return None
