"""What processes that take in what strangers sent know of the environment: none of its secrets."""

import os

NEEDED = ("LANG", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH")
NEEDED_PREFIXES = ("LC_", "PYTHON")


def bare_environment(**more: str) -> dict[str, str]:
    """The variables by which Python starts and finds its libraries, and `more`.

    A process shows the ones that it was started with in /proc for as long as it lives, whatever it
    does to them later.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in NEEDED or name.startswith(NEEDED_PREFIXES)
    }
    return kept | more
