"""The images: what can be known of them without building them."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import urllib3

from service.settings import Settings
from tests.deploy.containerfile import Containerfile, without_mounts
from tests.house.source import ROOT, committed
from tests.redis_server import free_port

FILE = Containerfile.read()
TARGETS = ("cpu", "gpu", "ray")
STARTS_WITHIN_S = 60
# No CUDA code is compiled for the one that is asked to.
EXTRAS = re.compile(r"(?:SAM2_BUILD_CUDA=0 )?/venv/bin/pip install [\"']\.\[(.*)\][\"']")
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
UNSEALED = 3
# Given the folder of an image, make it and the machine's root read-only but for its volumes.
SEAL = f"""
mount --bind "$0" "$0"
cd "$0"
for folder in data scratch; do mount --bind $folder $folder; done
mount -o remount,bind,ro "$0"
mount -o remount,bind,ro /
if touch written /written 2>/dev/null; then exit {UNSEALED}; fi
exec "$@"
"""


def can_seal() -> bool:
    """Whether this machine allows the mounts of `SEAL`, however well they seal."""
    with TemporaryDirectory() as folder:
        for name in ("data", "scratch"):
            Path(folder, name).mkdir()
        command = [*UNSHARE, "sh", "-ec", SEAL, folder, "true"]
        return subprocess.run(command, check=False).returncode in {0, UNSEALED}


def test_the_linter_finds_nothing():
    """The Dockerfile is written as hadolint would have it."""
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    command = [hadolint, ROOT / "Dockerfile"]
    linted = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (linted.returncode, linted.stdout) == (0, "")


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_runs_as_nobody_in_particular(target):
    """The process is not root, by number, so that a cluster can check it."""
    user, group = FILE.last(target, "USER").split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_starts_the_service_and_asks_whether_it_lives(target):
    """The image needs no arguments, and its health check asks the port it listens on."""
    variables = FILE.environment(target)
    settings = Settings.read(variables)
    assert FILE.command(target, "ENTRYPOINT") + FILE.command(target, "CMD") == [
        "reward-service",
        "serve",
    ]
    assert settings.host == "0.0.0.0"
    assert f"127.0.0.1:{settings.port}/livez" in FILE.last(target, "HEALTHCHECK")
    assert FILE.last(target, "EXPOSE") == str(settings.port)


@pytest.mark.parametrize("target", TARGETS)
def test_state_is_kept_in_a_volume(target):
    """A replaced container finds its runs again, and the root file system may be read-only."""
    settings = Settings.read(FILE.environment(target))
    volumes = FILE.command(target, "VOLUME")
    assert str(Path(settings.store.removeprefix("sqlite:")).parent) in volumes
    assert str(settings.media_dir.parent) in volumes
    assert f"--owner=rewards --group=rewards {' '.join(volumes)}" in " ".join(
        rest for word, rest in FILE.instructions(target) if word == "RUN"
    )


def test_the_gpu_image_takes_extras_that_there_are():
    """By default those of both models; the guide's build adds what reads Meta's own files."""
    known = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    )
    usual = set(FILE.last("build-gpu", "ARG").removeprefix("EXTRAS=").split(","))
    guide = (ROOT / "deploy/README.md").read_text()
    [wanted] = re.findall(r"--build-arg EXTRAS=(\S+)", guide)
    assert {"polar", "sam2"} < usual <= known
    assert set(wanted.split(",")) == usual | {"sam2-native"} <= known


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_made_by_the_same_steps(target):
    """Only the extras differ, and they exist; what is followed for one target holds for all."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    def steps(stage):
        return [
            (word, EXTRAS.sub("pip install .[]", rest))
            for word, rest in FILE.instructions(stage)
            if word != "ARG"
        ]

    assert steps(f"build-{target}") == steps("build-cpu")
    assert FILE.last(target, "COPY") == f"--from=build-{target} /venv /venv"
    [extras] = (found[1] for _, rest in FILE.instructions(f"build-{target}")
                if (found := EXTRAS.search(rest)))  # fmt: skip
    assert extras == "${EXTRAS}" or set(extras.split(",")) <= known.keys()


def test_base_images_have_a_version():
    """No stage starts from whatever is newest."""
    bases = {stage.base for stage in FILE.stages.values()} - set(FILE.stages)
    assert [base for base in bases if not re.search(r":\d+\.\d+", base)] == []


def test_only_what_is_installed_is_sent_to_the_builder(tmp_path):
    """The build context holds the packages and what describes them, nothing else."""
    fill_context(tmp_path)
    entries = {path.name for path in tmp_path.iterdir()}
    assert entries == {
        "LICENSE", "README.md", "deploy", "pyproject.toml", "rewards", "service", "trainer_client",
    }  # fmt: skip
    assert [path.name for path in (tmp_path / "deploy").iterdir()] == ["constraints.txt"]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """What target `cpu` holds, made by its own steps in an empty directory.

    The others are made by the same steps with more extras, which take gigabytes: not followed here.
    """
    context, root = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("image")
    fill_context(context)
    build("build-cpu", context, root)
    for folder in ("data", "scratch"):
        (root / folder).mkdir()
    return root


@contextmanager
def started(image, *before):
    """The service as the image starts it, behind a command; gives its port and its variables."""
    port = free_port()
    variables = {**os.environ, **placed(FILE.environment("cpu"), image)}
    variables |= {"REWARDS_PORT": str(port), "REWARDS_ALLOW_ANYONE": "true"}
    variables |= {"PATH": f"{image}/venv/bin:{os.environ['PATH']}", "HOME": "/nonexistent"}
    variables |= {"TMPDIR": f"{image}/scratch"}
    start = FILE.command("cpu", "ENTRYPOINT") + FILE.command("cpu", "CMD")
    service = subprocess.Popen([*before, *start], env=variables, cwd=image)
    try:
        wait_until_ready(port)
        yield port, variables
    finally:
        service.terminate()
        assert service.wait(timeout=60) == 0


@pytest.mark.slow
def test_the_steps_of_the_image_give_a_service_that_lives(image):
    """The same steps in an empty directory install a service that starts and passes its check."""
    with started(image) as (port, variables):
        check = [part.replace("8080", str(port)) for part in FILE.command("cpu", "HEALTHCHECK")]
        subprocess.run(check, check=True, env=variables)


@pytest.mark.slow
@pytest.mark.skipif(
    not can_seal(), reason="needs user namespaces, to make the file system read-only"
)
def test_the_service_writes_nothing_but_its_data(image):
    """With all but `/data` and the folder for temporary files read-only it scores and takes steps.

    Its user has no home.
    """
    with started(image, *UNSHARE, "sh", "-ec", SEAL, image) as (port, _):
        url = f"http://127.0.0.1:{port}"
        item = {"kind": "math", "response": "<answer>1/2</answer>", "ground_truth": "0.5"}
        scored = urllib3.request("POST", f"{url}/reward", json={"items": [item]}).json()
        assert scored["results"][0]["status"] == "scored"
        step = {"run": "a", "step": 1, "rewards": [1, 0], "groups": ["p", "p"], "tasks": ["m", "m"]}
        assert urllib3.request("POST", f"{url}/advantage", json=step).status == 200
    assert (image / "data/rewards.db").exists()


def fill_context(folder: Path) -> None:
    """Copy what the build context would hold, by the exceptions of .dockerignore."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert lines[0] == "*"
    for path in committed():
        if any(path.is_relative_to(keep) for keep in kept):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / path)


def placed(variables: dict[str, str], root: Path) -> dict[str, str]:
    """Variables with the paths of the image moved under `root`."""
    return {name: move(value, root) for name, value in variables.items()}


def move(text: str, root: Path) -> str:
    """`text` with the paths of the image moved under `root`."""
    return re.sub(r"(?<![\w.])/(src|venv|data|cache)\b", rf"{root}/\1", text)


def build(stage: str, context: Path, root: Path) -> None:
    """Follow the instructions of a stage with plain commands."""
    variables = {**os.environ, **placed(FILE.environment(stage), root)}
    variables.pop("PIP_CACHE_DIR")
    variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    folder = root / "src"
    folder.mkdir(parents=True)
    for word, rest in FILE.instructions(stage):
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy(context / source, folder / target)
        elif word == "RUN":
            command = move(without_mounts(rest), root)
            subprocess.run(["bash", "-ec", command], check=True, cwd=folder, env=variables)


def copy(source: Path, target: Path) -> None:
    """Copy as COPY does: a folder's content, or a file into a folder."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def wait_until_ready(port: int) -> None:
    """Return once the service on `port` is ready."""
    http = urllib3.PoolManager(retries=False)
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end:
        try:
            if http.request("GET", f"http://127.0.0.1:{port}/readyz").status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"the service was not ready within {STARTS_WITHIN_S} s")
