"""The manifests as a cluster would get them."""

import subprocess
import sysconfig
from functools import cache
from pathlib import Path

import pytest
import yaml

from service.settings import Settings
from tests.deploy.containerfile import Containerfile
from tests.house.source import ROOT

FOLDER = ROOT / "deploy/kubernetes"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
SCRIPTS = Path(sysconfig.get_path("scripts"))
GIB = 2**30
UNITS = {"Mi": 2**20, "Gi": GIB, "gb": GIB}
overlays = pytest.mark.parametrize("overlay", OVERLAYS)


@cache
def built(overlay):
    """Every object of an overlay, by kind and name."""
    return kustomized(FOLDER / "overlays" / overlay)


def kustomized(folder):
    """Every object that a folder makes, by kind and name."""
    command = [SCRIPTS / "kubectl", "kustomize", folder]
    return read(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def read(text):
    """Every object of a text, by kind and name."""
    objects = list(yaml.safe_load_all(text))
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def templates(overlay):
    """The pod templates of an overlay, by the name of what makes them."""
    found = {}
    for (kind, name), one in built(overlay).items():
        if kind in {"Deployment", "StatefulSet"}:
            found[name] = one["spec"]["template"]
        elif kind == "RayService":
            cluster = one["spec"]["rayClusterConfig"]
            found[f"{name}-head"] = cluster["headGroupSpec"]["template"]
            for group in cluster["workerGroupSpecs"]:
                found[f"{name}-{group['groupName']}"] = group["template"]
    return found


def pods(overlay):
    """What each pod is, by the name of what makes it."""
    return {name: template["spec"] for name, template in templates(overlay).items()}


def service_pod(overlay):
    """The service's pod, and its one container."""
    pod = pods(overlay)["reward-service"]
    (container,) = pod["containers"]
    return pod, container


def settings(overlay):
    """The settings that the service would start with."""
    _, container = service_pod(overlay)
    literal = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    workers = str(int(container["resources"]["limits"]["cpu"]))
    image = Containerfile.read().environment(container["image"].partition(":")[2])
    return Settings.read({**image, **literal, "REWARDS_WORKERS": workers})


def size(text):
    """A size in bytes."""
    return int(text[:-2]) * UNITS[text[-2:]]
