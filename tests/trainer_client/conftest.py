"""What the tests of the client share."""

import pytest

from tests.trainer_client.scripted import ScriptedServer
from trainer_client.config import ClientConfig


@pytest.fixture
def server():
    """A service that answers honestly unless a test writes it a script."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def config(server):
    """Settings for that service, with short pauses."""
    return ClientConfig(
        url=server.url, budget_s=10, attempt_s=5, first_pause_s=0.005, longest_pause_s=0.02
    )
