"""The Ray cluster of the manifests: what it serves, who reaches it, and what fits on it."""

import subprocess
import sys
from pathlib import PurePath

import pytest
import yaml

from rewards.backends.ray_serve.address import RayAddress
from service.settings import Settings
from tests.deploy.manifests import SCRIPTS, built, pods, settings, templates
from tests.house.source import ROOT

FILE = ROOT / "deploy/ray/serve.yaml"
CONFIG = yaml.safe_load(FILE.read_text())
READ = """
import sys, yaml
from ray.serve.schema import ServeDeploySchema
ServeDeploySchema.model_validate(yaml.safe_load(open(sys.argv[1])))
"""
APPLICATIONS = {one["name"]: one for one in CONFIG["applications"]}
applications = pytest.mark.parametrize("application", APPLICATIONS.values(), ids=APPLICATIONS)
HEAD, WORKER = "reward-ray-head", "reward-ray-gpu"


def cluster():
    """The cluster that KubeRay is asked for."""
    return built("ray")["RayService", "reward-ray"]["spec"]["rayClusterConfig"]


@pytest.mark.parametrize("name", [HEAD, WORKER])
def test_a_node_fits_the_schema_of_pods(name, tmp_path):
    """KubeRay's own kind has no schema here, but what it makes has one."""
    template = templates("ray")[name]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": template["spec"]}
    path = tmp_path / "pod.yaml"
    path.write_text(yaml.safe_dump(pod))
    command = [SCRIPTS / "kubernetes-validate", "--strict", "--no-warn", path]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_cluster_serves_what_is_served_elsewhere():
    """The manifest holds the applications of deploy/ray/serve.yaml; only the proxy differs."""
    served = yaml.safe_load(built("ray")["RayService", "reward-ray"]["spec"]["serveConfigV2"])
    assert served == {**CONFIG, "proxy_location": "HeadOnly"}


@pytest.mark.slow
def test_serve_can_read_its_file():
    """Ray Serve's own schema accepts every field, in a process where its warnings are its own."""
    subprocess.run([sys.executable, "-c", READ, FILE], check=True)


def test_ray_is_the_version_that_was_tested():
    """A client and a cluster of two versions do not speak to each other."""
    pins = (ROOT / "deploy/constraints.txt").read_text().splitlines()
    assert f"ray=={cluster()['rayVersion']}" in pins
    images = {pods("ray")[name]["containers"][0]["image"] for name in (HEAD, WORKER)}
    assert images == {pods("ray")["reward-service"]["containers"][0]["image"]}


@pytest.mark.parametrize("setting", ["polar", "sam2"])
def test_the_service_asks_the_head_for_an_application_that_there_is(setting):
    """By the name that KubeRay gives a service's head, at a port that the head has."""
    address = RayAddress.read(getattr(settings("ray"), setting))
    assert address.app in APPLICATIONS
    (head,) = pods("ray")[HEAD]["containers"]
    ports = {port["name"]: port["containerPort"] for port in head["ports"]}
    assert address.cluster == f"ray://reward-ray-head-svc:{ports['client']}"


def test_the_service_knows_the_token_of_the_cluster():
    """Both have it from one secret."""
    variables = {one["name"]: one for one in pods("ray")["reward-service"]["containers"][0]["env"]}
    options = cluster()["authOptions"]
    assert variables["RAY_AUTH_MODE"]["value"] == options["mode"] == "token"
    secret = variables["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": options["secretName"], "key": "auth_token"}


@applications
def test_a_replica_fits_on_a_node(application):
    """Serve never waits for a node that cannot come, nor is there ever no replica."""
    (deployment,) = application["deployments"]
    wanted = deployment["ray_actor_options"]
    limits = pods("ray")[WORKER]["containers"][0]["resources"]["limits"]
    assert wanted["num_cpus"] <= float(limits["cpu"])
    assert 0 < wanted["num_gpus"] <= float(limits["nvidia.com/gpu"])
    assert deployment["autoscaling_config"]["min_replicas"] >= 1


def test_one_replica_of_each_fits_on_one_node():
    """A node that is left alone still serves everything."""
    wanted = [one["deployments"][0]["ray_actor_options"] for one in APPLICATIONS.values()]
    limits = pods("ray")[WORKER]["containers"][0]["resources"]["limits"]
    assert sum(one["num_gpus"] for one in wanted) <= float(limits["nvidia.com/gpu"])
    assert sum(one["num_cpus"] for one in wanted) <= float(limits["cpu"])


@applications
def test_arguments_are_settings_and_checkpoints_are_mounted(application):
    """What an application is given can be read, and lies where its nodes see it."""
    args = {name: str(value) for name, value in application["args"].items()}
    chosen = Settings.read({}, **args)
    checkpoint = PurePath(getattr(chosen, application["name"]))
    mounts = [one["mountPath"] for one in pods("ray")[WORKER]["containers"][0]["volumeMounts"]]
    assert any(checkpoint.is_relative_to(mount) for mount in mounts)


@applications
def test_an_application_is_asked_through_handles_alone(application):
    """It has no route, so that no proxy passes anything on to it."""
    assert application["route_prefix"] is None


def test_nodes_are_reached_by_the_service_their_like_and_the_operator():
    """The service comes in by one port, and nodes go out to each other and to names alone."""
    policy = built("ray")["NetworkPolicy", "reward-ray"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    service, nodes, operator = policy["ingress"]
    label = "app.kubernetes.io/name"
    assert service == {
        "from": [{"podSelector": {"matchLabels": {label: "reward-service"}}}],
        "ports": [{"port": 10001}],
    }
    assert nodes == {"from": [{"podSelector": {"matchLabels": {label: "reward-ray"}}}]}
    assert list(operator["from"][0]) == ["namespaceSelector"]
    assert {one["port"] for one in operator["ports"]} == {8265, 8000}
    to_nodes, to_names = policy["egress"]
    assert to_nodes == {"to": [{"podSelector": {"matchLabels": {label: "reward-ray"}}}]}
    assert {one["port"] for one in to_names["ports"]} == {53}
