"""The manifests: built as a cluster would get them, and checked without one."""

import base64
import re
import shutil
import subprocess

import pytest
import yaml

from rewards.backends.polar_http.addresses import Addresses
from service.media.limits import MediaLimits
from service.settings import Settings
from tests.deploy.containerfile import Containerfile
from tests.deploy.manifests import (
    GIB,
    SCRIPTS,
    built,
    kustomized,
    overlays,
    pods,
    service_pod,
    settings,
    size,
    templates,
)
from tests.house.source import ROOT

# What the service may reach besides names and its store.
MODEL_PORTS = {"polar": {8000}, "ray": {10001}}
SLOW_DISK_BYTES_S = 50e6
CLOSING_S = 5


@overlays
def test_the_objects_fit_their_schemas(overlay, tmp_path):
    """Kubernetes' own schemas accept every object, and know every field."""
    path = tmp_path / "objects.yaml"
    path.write_text(yaml.safe_dump_all(built(overlay).values()))
    command = [SCRIPTS / "kubernetes-validate", "--strict", "--no-warn", path]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@overlays
@pytest.mark.promise(45)
def test_requests_in_flight_may_finish(overlay):
    """A pod is killed later than it may take to drain and to close."""
    pod, container = service_pod(overlay)
    chosen = settings(overlay)
    drained_s = chosen.drain_delay_s + chosen.drain_timeout_s
    assert pod["terminationGracePeriodSeconds"] >= drained_s + CLOSING_S
    assert "lifecycle" not in container, "a preStop would take its time from the same grace"


@overlays
def test_replicas_are_replaced_one_by_one(overlay):
    """None goes before another one has come, and no drain of nodes takes the last."""
    objects = built(overlay)
    rolling = objects["Deployment", "reward-service"]["spec"]["strategy"]["rollingUpdate"]
    assert (rolling["maxUnavailable"], rolling["maxSurge"]) == (0, 1)
    away = objects["PodDisruptionBudget", "reward-service"]["spec"]["maxUnavailable"]
    assert objects["HorizontalPodAutoscaler", "reward-service"]["spec"]["minReplicas"] > away


@overlays
def test_nobody_is_sent_to_a_pod_that_is_gone(overlay):
    """The service drains for longer than it takes to be seen as not ready."""
    _, container = service_pod(overlay)
    probe = container["readinessProbe"]
    seen_after_s = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    assert settings(overlay).drain_delay_s > seen_after_s


@overlays
def test_probes_ask_what_they_should(overlay):
    """Only a loop that stands still costs a pod its life; a store that is away does not."""
    _, container = service_pod(overlay)
    asked = {
        name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness")
    }
    assert asked == {"liveness": "/livez", "readiness": "/readyz"}


@overlays
def test_workers_fit_into_the_memory(overlay):
    """All workers at their limit leave the service the memory it needs."""
    _, container = service_pod(overlay)
    chosen = settings(overlay)
    taken = chosen.workers * chosen.worker_memory_bytes
    assert size(container["resources"]["limits"]["memory"]) - taken >= 2 * GIB
    assert size(container["resources"]["requests"]["memory"]) >= GIB


@overlays
@pytest.mark.promise(45)
def test_a_container_can_do_little(overlay):
    """No container is root, gains rights, writes its own image or talks to the cluster."""
    for pod in pods(overlay).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}


@overlays
def test_the_user_is_the_one_of_the_image(overlay):
    """The pod runs as the user that the image was made for."""
    pod, container = service_pod(overlay)
    target = container["image"].partition(":")[2]
    user, group = Containerfile.read().last(target, "USER").split(":")
    assert pod["securityContext"]["runAsUser"] == int(user)
    assert pod["securityContext"]["runAsGroup"] == int(group)


@overlays
@pytest.mark.promise(45)
def test_the_service_reaches_its_store_and_nothing_else(overlay):
    """Egress is denied but for names and the store, which in turn is open to the service alone."""
    objects = built(overlay)
    policy = objects["NetworkPolicy", "reward-service"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["to"] and rule["ports"] for rule in policy["egress"])
    reached = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert reached == {53, 6379} | MODEL_PORTS.get(overlay, set())
    store = objects["NetworkPolicy", "reward-redis"]["spec"]
    assert "egress" not in store
    assert len(store["ingress"]) == 1


@overlays
def test_nobody_comes_in_without_a_key(overlay):
    """Keys come from a secret; whoever scrapes reaches the port of metrics and no other."""
    pod, container = service_pod(overlay)
    chosen = settings(overlay)
    assert not chosen.allow_anyone
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    volumes = {one["name"]: one for one in pod["volumes"]}
    assert volumes[mounts[str(chosen.keys.parent)]]["secret"]["secretName"] == "reward-service-keys"
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {"http": chosen.port, "metrics": chosen.metrics_port}
    policy = built(overlay)["NetworkPolicy", "reward-service"]["spec"]
    reached = {
        label.partition("/")[2]: [port["port"] for port in rule["ports"]]
        for rule in policy["ingress"]
        for source in rule["from"]
        for label in source["namespaceSelector"]["matchLabels"]
    }
    assert reached == {"client": ["http"], "monitoring": ["metrics"]}


@overlays
def test_selectors_find_what_they_select(overlay):
    """Services, budgets and policies select pods that exist."""
    objects = built(overlay)
    labels = [template["metadata"]["labels"] for template in templates(overlay).values()]
    for (kind, name), one in objects.items():
        spec = one.get("spec", {})
        selector = {
            "Service": spec.get("selector"),
            "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels"),
            "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"),
        }.get(kind)
        assert selector is None or any(selector.items() <= found.items() for found in labels), name


@overlays
def test_redis_forgets_nothing(overlay):
    """Every write is on the disk before it is answered, and memory pressure evicts no key."""
    (container,) = pods(overlay)["reward-redis"]["containers"]
    options = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "always")
    assert options["--maxmemory-policy"] == "noeviction"
    assert 2 * size(options["--maxmemory"]) <= size(container["resources"]["limits"]["memory"])


@overlays
def test_what_is_written_has_a_place(overlay):
    """Uploaded media, whole or not, and decoded clips fit into the volumes that they go to."""
    pod, container = service_pod(overlay)
    chosen = settings(overlay)
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    volumes = {one["name"]: one for one in pod["volumes"]}

    def room(volume):
        return size(volumes[volume]["emptyDir"]["sizeLimit"])

    unfinished = MediaLimits().uploads * chosen.max_upload_bytes
    assert room(mounts[str(chosen.media_dir.parent)]) > chosen.media_bytes + unfinished
    clip = 3 * chosen.max_clip_px
    assert room("tmp") > 2 * chosen.decoders * clip


@overlays
def test_a_caller_finds_its_uploads_again(overlay):
    """Where masks are judged, a caller keeps to the replica that has its images."""
    service = built(overlay)["Service", "reward-service"]["spec"]
    affinity = "ClientIP" if settings(overlay).sam2 else None
    assert service.get("sessionAffinity") == affinity


@pytest.mark.parametrize(
    ("overlay", "name"), [("gpu", "reward-service"), ("polar", "reward-polar")]
)
def test_a_model_may_take_its_time_to_load(overlay, name):
    """A pod that reads 15 GB of weights from a slow disk is not killed before it is ready."""
    (container,) = pods(overlay)[name]["containers"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > 15e9 / SLOW_DISK_BYTES_S


def test_model_servers_are_reached_by_the_service_alone():
    """They let the service in and nobody else, and reach nothing themselves."""
    policy = built("polar")["NetworkPolicy", "reward-polar"]["spec"]
    (rule,) = policy["ingress"]
    (source,) = rule["from"]
    assert source == {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "reward-service"}}}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy


def test_the_model_servers_are_the_ones_that_are_asked():
    """The service knows every server by its own name, its port and the model that it serves."""
    objects = built("polar")
    servers = objects["StatefulSet", "reward-polar"]["spec"]
    (container,) = servers["template"]["spec"]["containers"]
    addresses = Addresses.read(settings("polar").polar)
    assert addresses.bases == tuple(
        f"http://reward-polar-{number}.{servers['serviceName']}:8000"
        for number in range(servers["replicas"])
    )
    assert container["ports"][0]["containerPort"] == 8000
    assert f"--served-model-name={addresses.model}" in container["args"]
    composed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["polar"]
    assert container["image"] == composed["image"]
    names = {re.sub(r"\$[({].*[)}]", "COMMIT", one) for one in composed["command"]}
    asked = {one.replace("$(POLAR_REVISION)", "COMMIT") for one in container["args"]}
    assert names - asked == {"--model=internlm/POLAR-7B"}


def with_component(folder, overlay, component):
    """Every object of an overlay of somebody's own that adds a component to one of ours."""
    shutil.copytree(ROOT / "deploy", folder, dirs_exist_ok=True)
    own = folder / "kubernetes/overlays/own"
    own.mkdir()
    lines = [f"resources: [../{overlay}]", f"components: [../../components/{component}]"]
    (own / "kustomization.yaml").write_text("\n".join(lines))
    return kustomized(own)


@overlays
def test_a_store_of_ones_own_takes_the_place_of_redis(overlay, tmp_path):
    """With the component the base's Redis is gone, and the way leads to the other one."""
    objects = with_component(tmp_path, overlay, "external-store")
    assert [name for _, name in objects if name == "reward-redis"] == []
    (secret,) = (one for (kind, _), one in objects.items() if kind == "Secret")
    url = base64.b64decode(secret["data"]["url"]).decode()
    assert secret["metadata"]["name"] in str(objects["Deployment", "reward-service"])
    store = Settings.read({"REWARDS_STORE": url}).store
    port = int(re.search(r":(\d+)/\d+$", store)[1])
    egress = objects["NetworkPolicy", "reward-service"]["spec"]["egress"]
    assert [one["ports"] for one in egress if "ipBlock" in one["to"][0]] == [[{"port": port}]]
    assert 53 in {port["port"] for rule in egress for port in rule["ports"]}


@overlays
def test_replicas_may_share_what_is_uploaded(overlay, tmp_path):
    """With the component the media folder lies on the claim, and callers keep to no replica."""
    objects = with_component(tmp_path, overlay, "shared-media")
    pod = objects["Deployment", "reward-service"]["spec"]["template"]["spec"]
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "data")
    assert volume == {"name": "data", "persistentVolumeClaim": {"claimName": "reward-media"}}
    (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "data")
    folder = Containerfile.read().environment("cpu")["REWARDS_MEDIA_DIR"]
    assert folder.startswith(mount["mountPath"])
    assert objects["Service", "reward-service"]["spec"]["sessionAffinity"] == "None"
