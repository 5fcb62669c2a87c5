"""What processes that take in what strangers sent know of the environment: none of its secrets."""

import os

NEEDED = ("LANG", "LD_LIBRARY_PATH", "PATH")
NEEDED_PREFIXES = ("LC_", "PYTHON")
# For linear algebra that is never done: each thread would reserve tens of megabytes, which count
# against what the process, and whatever is forked from it, may have.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def bare_environment() -> dict[str, str]:
    """The variables by which Python starts and finds its libraries, which are to use one thread.

    A process shows the ones that it was started with in /proc for as long as it lives, whatever it
    does to them later.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in NEEDED or name.startswith(NEEDED_PREFIXES)
    }
    return kept | ONE_THREAD
