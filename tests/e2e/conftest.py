"""One real service for all tests that leave it as it was."""

from collections.abc import Iterator

import pytest

from tests.e2e.running import Running, running


@pytest.fixture(scope="session")
def service() -> Iterator[Running]:
    """A service that tests share and do not stop."""
    with running("--log-level", "debug", "--worker-cpu-s", "1") as service:
        yield service
