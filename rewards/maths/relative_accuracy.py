"""Mean relative accuracy, `MRA`: how many tolerances a prediction stays within."""

import math
import struct

TOLERANCES = tuple((100 - percent) / 100 for percent in range(50, 100, 5))
ZERO_GUARD = 1e-8

# 1 - theta as the released code's float32 range yields it: they decide ties such as 9.5 for 10.
TOLERANCES_FLOAT32 = tuple(
    float.fromhex(digits)
    for digits in (
        "0x1.000000p-1",
        "0x1.ccccccp-2",
        "0x1.999998p-2",
        "0x1.666668p-2",
        "0x1.333334p-2",
        "0x1.000000p-2",
        "0x1.999998p-3",
        "0x1.333330p-3",
        "0x1.9999a0p-4",
        "0x1.9999a0p-5",
    )
)


def mean_relative_accuracy(predicted: float, true: float) -> float:
    """Return the share of thresholds 0.50, 0.55 .. 0.95 that `|p - t| / (|t| + 1e-8)` is within.

    In double precision; the result is a multiple of 0.1. Source: SPEC table of the paper, MRA.

    >>> mean_relative_accuracy(12.0, 10.0)
    0.7
    """
    error = abs(predicted - true) / (abs(true) + ZERO_GUARD)
    return sum(error < tolerance for tolerance in TOLERANCES) / len(TOLERANCES)


def mean_relative_accuracy_float32(predicted: float, true: float) -> float:
    """Return the same share in float32 throughout, as the released code computes it.

    Numbers that float32 cannot hold overflow to infinity and meet no threshold.

    >>> mean_relative_accuracy_float32(9.5, 10.0)
    1.0
    """
    p, t = _float32(predicted), _float32(true)
    if math.isinf(p) or math.isinf(t):
        return 0.0
    error = _float32(_float32(abs(p - t)) / _float32(abs(t) + _float32(ZERO_GUARD)))
    met = sum(error < tolerance for tolerance in TOLERANCES_FLOAT32)
    return _float32(met / len(TOLERANCES_FLOAT32))


def _float32(value: float) -> float:
    # A double holds any sum, difference or quotient of two float32 closely enough that
    # rounding it once more gives the float32 result exactly.
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
