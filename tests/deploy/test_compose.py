"""The composition: service, Redis, Prometheus and Grafana, checked without an engine."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

from rewards.backends.polar_http.addresses import Addresses
from service.settings import PREFIX, Settings
from tests.deploy.containerfile import Containerfile
from tests.house.source import ROOT

DEPLOY = ROOT / "deploy"
FILE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = FILE["services"]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.keys.yaml"])
def test_a_file_fits_the_specification(name):
    """The compose specification's own schema accepts the file."""
    checker = Path(sysconfig.get_path("scripts")) / "check-jsonschema"
    command = [checker, "--builtin-schema", "vendor.compose-spec", DEPLOY / name]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def variables(**shell):
    """The service's variables: those without a value are passed on from who starts it."""
    listed = SERVICES["service"]["environment"]
    passed_on = {name: shell[name] for name, value in listed.items() if name in shell and not value}
    return {name: value for name, value in listed.items() if value} | passed_on


def test_the_service_gets_settings_that_exist():
    """The service would start with the variables it is given, on the target it is built from."""
    service = SERVICES["service"]
    target = Containerfile.read().environment(service["build"]["target"])
    settings = Settings.read({**target, **variables()})
    host = settings.store.removeprefix("redis://").partition(":")[0]
    assert host in service["depends_on"]
    assert service["ports"][0].endswith(f":{settings.port}")
    assert all(name.startswith(PREFIX) for name in service["environment"])


def test_the_model_server_is_the_one_that_is_asked():
    """With the README's line the service asks the container and the model that are there."""
    line = r"POLAR_REVISION=COMMIT REWARDS_POLAR=(\S+) \\\n +docker"
    [told] = re.findall(line, (DEPLOY / "README.md").read_text())
    addresses = Addresses.read(Settings.read(variables(REWARDS_POLAR=told)).polar)
    assert addresses.bases == ("http://polar:8000",)
    assert f"--model={addresses.model}" in SERVICES["polar"]["command"]


def test_only_the_model_server_waits_to_be_asked_for():
    """Everything starts by itself but POLAR, which wants a GPU; nothing asks it unasked."""
    assert {name for name in SERVICES if "profiles" in SERVICES[name]} == {"polar"}
    assert Settings.read(variables()).polar is None


def test_with_keys_nobody_comes_in_without():
    """Over the first file, the second mounts the keys where the service looks for them."""
    file = yaml.safe_load((DEPLOY / "compose.keys.yaml").read_text())
    service = file["services"]["service"]
    settings = Settings.read({**variables(), **service["environment"]})
    assert not settings.allow_anyone
    assert settings.keys.parts == ("/", "run", "secrets", *service["secrets"])
    assert set(service["secrets"]) == set(file["secrets"])


def test_requests_in_flight_may_finish():
    """The engine waits longer before it kills than the service may take to drain."""
    grace_s = int(SERVICES["service"]["stop_grace_period"].removesuffix("s"))
    settings = Settings.read({})
    assert grace_s > settings.drain_delay_s + settings.drain_timeout_s


def test_redis_forgets_nothing():
    """Every write is on the disk before it is answered, and memory pressure evicts no key."""
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"
    assert "redis:/data" in SERVICES["redis"]["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_little(name):
    """No container keeps a capability or listens beyond this machine."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_version(name):
    """No container runs whatever is newest."""
    assert "build" in SERVICES[name] or re.search(r":v?\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name):
    """Every file of this folder that a container reads exists, and it may only read it."""
    for mount in SERVICES[name].get("volumes", ()):
        source, _, rest = mount.partition(":")
        if source.startswith("."):
            assert (DEPLOY / source).exists()
            assert rest.endswith(":ro")
        else:
            assert source in FILE["volumes"]


def test_prometheus_scrapes_the_service():
    """The scrape target is the container and the port that the service listens on."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host == "service"
    assert int(port) == Settings.read(variables()).metrics_port


def test_grafana_finds_its_dashboards():
    """The provider looks where the dashboards are mounted, and the first page is one of them."""
    provisioning = DEPLOY / "grafana/provisioning"
    provider = yaml.safe_load((provisioning / "dashboards/files.yaml").read_text())["providers"][0]
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    assert (DEPLOY / "grafana/dashboards" / Path(home).name).exists()
