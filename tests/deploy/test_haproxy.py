"""The balancer's configuration: valid, and slower than nothing that it waits for."""

import http.client
import subprocess
from contextlib import closing

import pytest

from service.settings import Settings
from tests.faults.balancer import Balancer
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


@pytest.fixture(scope="module")
def balancer(tmp_path_factory):
    """HAProxy itself, with nobody behind it."""
    with Balancer(tmp_path_factory.mktemp("haproxy"), []) as balancer:
        yield balancer


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/metrics", 404),
        ("/metrics?a=b", 404),
        ("/%6Detrics", 404),
        ("/%6d%65%74%72%69%63%73", 404),
        ("/reward", 503),
    ],
)
def test_metrics_are_not_to_be_had_through_the_balancer(balancer, path, status):
    """However the path is spelled, no replica is asked; 503 says that none is there."""
    with closing(http.client.HTTPConnection("127.0.0.1", balancer.port, timeout=60)) as connection:
        connection.request("GET", path)
        assert connection.getresponse().status == status


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
