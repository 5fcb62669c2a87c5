"""Keys as an operator makes, hands out and takes back, on a real service."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from tests.e2e.running import running
from trainer_client.aio import AsyncRewardClient
from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig
from trainer_client.errors import RewardRefused

PAYLOAD = "nobody may read this in a log either"
NEEDS_IPV6 = pytest.mark.skipif(
    not Path("/proc/net/if_inet6").exists(), reason="needs a kernel that knows IPv6"
)
ITEM = {
    "kind": "ocr",
    "response": f"<think>{PAYLOAD}</think><answer>{PAYLOAD}</answer>",
    "ground_truth": PAYLOAD,
}


def make_key(file, name, *options):
    """Make a key on the command line, as an operator does."""
    command = [sys.executable, "-m", "service.cli", "keys", "new", "--keys", str(file)]
    done = subprocess.run(
        [*command, "--name", name, *options], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.removesuffix("\n")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A file with keys, and the keys, by name."""
    file = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    both = ("--scope", "reward", "--scope", "advantage")
    keys = {
        "job": make_key(file, "job", *both, "--runs", "job-*"),
        "boss": make_key(file, "boss", "--scope", "admin", "--runs", "*"),
    }
    return file, keys


@pytest.fixture(scope="module")
def keyed(kept):
    """A service on all addresses that asks for those keys, with metrics on a port of their own."""
    options = ("--host", "0.0.0.0", "--metrics-port", "0", "--log-level", "debug")
    with running(*options, environment={"REWARDS_KEYS": str(kept[0])}) as service:
        yield service


def asked(service, key, method="GET", path="/runs/job-1", body=None):
    """The status that a key gets."""
    headers = {"Authorization": f"Bearer {key}"}
    url = f"http://127.0.0.1:{service.port}{path}"
    return urllib3.request(method, url, headers=headers, json=body, retries=False)


def test_a_key_is_printed_once_and_its_file_is_the_owners(kept):
    """The file holds hashes only, and no other user of the machine writes it."""
    file, keys = kept
    assert all(re.fullmatch(r"rsk_[\w-]{43}", key) for key in keys.values())
    assert not any(key in file.read_text() for key in keys.values())
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == ["job", "boss"]
    assert file.stat().st_mode & 0o133 == 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--name", "job", "--scope", "reward", "--runs", "*"), "a name of its own"),
        (("--name", "a b", "--scope", "reward", "--runs", "*"), "name: expected"),
        (("--name", "new", "--scope", "root", "--runs", "*"), "Invalid value for '--scope'"),
    ],
)
def test_a_key_that_cannot_be_is_not_added(kept, options, complaint):
    """The file stays as it was, and the reason is one line."""
    file, _ = kept
    before = file.read_bytes()
    command = [sys.executable, "-m", "service.cli", "keys", "new", "--keys", str(file), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert file.read_bytes() == before


def test_keys_are_taken_back_while_the_service_runs(kept, keyed):
    """A new line is a new key, a line that is gone a key no more; a broken file changes nothing."""
    file, keys = kept
    whole = file.read_bytes()
    try:
        late = make_key(file, "late", "--scope", "advantage", "--runs", "job-*")
        keyed.wait_until(lambda: asked(keyed, late).status == 404)
        file.write_bytes(whole[:-20])
        keyed.wait_until(lambda: keyed.get("/readyz").json()["status"] == "degraded")
        part = keyed.get("/readyz").json()["parts"]["keys"]
        assert part["reason"] == "the keys of before are in use: line 2: expected JSON"
        assert asked(keyed, late).status == 404
    finally:
        # As a secret of Kubernetes changes: another file under the same name.
        file.with_suffix(".new").write_bytes(whole)
        file.with_suffix(".new").replace(file)
    keyed.wait_until(lambda: asked(keyed, late).status == 401)
    assert keyed.get("/readyz").json()["status"] == "ready"
    assert asked(keyed, keys["job"]).status == 404


def test_metrics_have_a_port_of_their_own(kept, keyed):
    """Whoever scrapes needs no key; callers find no metrics, and the other port nothing else."""
    _, keys = kept
    [line] = keyed.wait_until(lambda: keyed.logged("listening for metrics"))
    url = f"http://127.0.0.1:{line['port']}"
    scraped = urllib3.request("GET", f"{url}/metrics")
    assert scraped.status == 200
    assert b"\nreward_keys_known " in scraped.data
    assert urllib3.request("GET", f"{url}/livez").status == 200
    for path in ("/info", "/runs", "/docs", "/docs/files/favicon.png", "/openapi.json"):
        assert urllib3.request("GET", url + path).status == 404
    assert asked(keyed, keys["boss"], path="/docs").status == 200
    assert asked(keyed, keys["boss"], path="/metrics").status == 404


@pytest.mark.promise(29)
def test_clients_carry_their_key_and_no_log_shows_it(kept, keyed):
    """Both clients are let in, to their own runs; the log names the key and shows none of it."""
    _, keys = kept
    config = ClientConfig.from_environment(
        {"REWARD_SERVICE_URL": keyed.url, "REWARD_SERVICE_API_KEY": keys["job"]}
    )
    columns = {"rewards": [0.0, 1.0], "groups": ["g", "g"], "tasks": ["t", "t"]}

    async def score():
        async with AsyncRewardClient(config) as client:
            return await client.reward([ITEM], run="job-1")

    with RewardClient(config) as client:
        assert client.advantage(run="job-1", step=0, **columns).state_version == 1
        with pytest.raises(RewardRefused, match="the key 'job' is not for run 'else'"):
            client.advantage(run="else", step=0, **columns)
    assert asyncio.run(score()).rewards == [1.5]
    assert asked(keyed, keys["job"] + "x").status == 401
    keyed.wait_until(lambda: [one for one in keyed.logged("request") if one["status"] == 401])
    log = "\n".join(keyed.lines)
    assert '"key": "job"' in log
    assert PAYLOAD not in log
    assert not any(key[4:] in log or key[-20:] in log for key in keys.values())


def started(*options):
    """What comes of starting a service that cannot start."""
    command = [sys.executable, "-m", "service.cli", "serve", "--port", "0", "--store", "memory:"]
    return subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("host", ["0.0.0.0", pytest.param("::", marks=NEEDS_IPV6)])
def test_other_machines_are_let_in_with_keys_only(host):
    """An open address without keys is refused, with the way out; whoever means it says so."""
    refused = started("--host", host)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"reward-service: host {host} lets other machines in, and there are no keys: expected "
        "--keys FILE, which `reward-service keys new` makes, or --allow-anyone true\n"
    )


def test_who_means_it_may_let_anyone_in():
    """Where a network decides who may ask, keys are not forced upon anybody."""
    with running("--host", "0.0.0.0", "--allow-anyone", "true") as service:
        assert service.get("/info").status == 200
