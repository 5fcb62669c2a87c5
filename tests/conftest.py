"""Settings that every test shares."""

import os
import signal

from hypothesis import settings

# Programs started by a shell in the background ignore Ctrl-C, and so would those started here.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine stalls now and then; no test here is about its own speed.
# Examples are the same each time, and new ones are looked for where HYPOTHESIS=search.
settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS", "house"))

# They run in environments of their own, where the frameworks are installed: make conformance.
collect_ignore_glob = ["conformance/*_contract.py"]
