"""Tests for `trainer_client.config`."""

import pytest

from trainer_client.config import ClientConfig
from trainer_client.errors import BadCall


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"url": "rewards:8080"}, "expected http://host", id="no-scheme"),
        pytest.param({"url": "http://"}, "expected http://host", id="no-host"),
        pytest.param({"url": "ftp://rewards"}, "expected http://host", id="ftp"),
        pytest.param({"concurrency": 0}, "concurrency: expected at least 1", id="concurrency"),
        pytest.param({"budget_s": 0}, "budget_s: expected seconds above 0", id="zero"),
        pytest.param({"attempt_s": float("inf")}, "attempt_s: expected", id="forever"),
        pytest.param({"connect_s": float("nan")}, "connect_s: expected", id="nan"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, message):
    """The mistake is found where it is made, not at the first call."""
    with pytest.raises(BadCall, match=message):
        ClientConfig(**change)


def test_the_environment_says_where_the_service_is():
    """A framework that takes only a file path is configured by variables."""
    config = ClientConfig.from_environment(
        {"REWARD_SERVICE_URL": "https://r/prefix", "REWARD_SERVICE_BUDGET_S": "9.5"}
    )
    assert (config.url, config.budget_s, config.api_key) == ("https://r/prefix", 9.5, None)
    with pytest.raises(BadCall, match="REWARD_SERVICE_BUDGET_S: expected seconds; got 'soon'"):
        ClientConfig.from_environment({"REWARD_SERVICE_BUDGET_S": "soon"})


def test_a_client_takes_a_url_settings_or_nothing(monkeypatch):
    """The shortest form that says enough will do."""
    monkeypatch.setenv("REWARD_SERVICE_URL", "http://elsewhere:1")
    monkeypatch.setenv("REWARD_SERVICE_API_KEY", "key")
    config = ClientConfig(url="http://there:2")
    assert ClientConfig.of(config) is config
    here = ClientConfig.of("http://here:3")
    assert (here.url, here.api_key) == ("http://here:3", "key")
    assert ClientConfig.of(None).url == "http://elsewhere:1"


@pytest.mark.parametrize(
    ("given", "key"), [({}, "s3/cret"), ({"api_key": "other"}, "other")], ids=["url", "both"]
)
def test_a_password_in_the_url_is_the_key(given, key):
    """It goes into the header, and is seen neither in the URL nor in what is printed."""
    config = ClientConfig(url="https://x:s3%2Fcret@rewards:8080/prefix", **given)
    assert (config.url, config.api_key) == ("https://rewards:8080/prefix", key)
    assert config.request_headers()["Authorization"] == f"Bearer {key}"
    assert key not in repr(config)
