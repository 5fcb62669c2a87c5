"""The balancer's configuration: valid, and slower than nothing that it waits for."""

import subprocess

import pytest

from service.settings import Settings
from tests.house.source import ROOT
from tests.tools import tool

CONFIG = ROOT / "deploy/haproxy/haproxy.cfg"
LINES = [line.split() for line in CONFIG.read_text().splitlines() if line.strip()]
DEFAULTS = Settings.read({})


def seconds(text):
    """A time of HAProxy, in seconds."""
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))


def timeout(name):
    """A `timeout` of the configuration, in seconds."""
    (found,) = (line[2] for line in LINES if line[:2] == ["timeout", name])
    return seconds(found)


def test_haproxy_accepts_the_configuration():
    """HAProxy itself finds the file valid, with no warning."""
    command = [tool("haproxy"), "-c", "-q", "-f", CONFIG]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_replica_that_drains_is_out_of_turn_before_it_stops():
    """The slowest way to be seen as not ready is shorter than the default drain delay."""
    (words,) = (line[1:] for line in LINES if line[0] == "default-server")
    assert words.pop(0) == "check"
    check = dict(zip(words[::2], words[1::2], strict=True))
    pauses_s = seconds(check["inter"]) + (int(check["fall"]) - 1) * seconds(check["fastinter"])
    assert pauses_s + int(check["fall"]) * timeout("check") < DEFAULTS.drain_delay_s
    assert not any("on-marked-down" in line for line in LINES)


@pytest.mark.parametrize(
    ("name", "least_s"),
    [("server", DEFAULTS.max_deadline_ms / 1000), ("client", DEFAULTS.body_timeout_s)],
)
def test_the_service_gives_up_before_the_balancer_does(name, least_s):
    """A caller gets the service's own answer, and no 504 or 408 of the balancer's."""
    assert timeout(name) > least_s


def test_only_what_was_never_sent_is_given_to_another():
    """A request that may have been taken is repeated by nobody but its caller."""
    assert ["retry-on", "conn-failure"] in LINES


def test_the_balancer_asks_whether_a_replica_wants_traffic():
    """The probe is the one that a draining replica answers with 503."""
    assert ["option", "httpchk", "GET", "/readyz"] in LINES
