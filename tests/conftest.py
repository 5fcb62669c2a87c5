"""Settings that every test shares."""

from hypothesis import settings

# A shared machine stalls now and then; no test here is about its own speed.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# They run in environments of their own, where the frameworks are installed: make conformance.
collect_ignore_glob = ["conformance/*_contract.py"]
