"""Formulas as math-verify reads them."""
