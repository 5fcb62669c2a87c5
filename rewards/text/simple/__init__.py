"""Numbers and formulas so simple that what math-verify makes of them is known beforehand."""
