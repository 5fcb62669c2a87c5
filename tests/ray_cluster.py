"""A small Ray cluster on this machine: every node a group of processes that can be killed."""

import os
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

import yaml

from tests.e2e.running import descendants
from tests.house.source import ROOT
from tests.redis_server import free_port

SCRIPTS = Path(sysconfig.get_path("scripts"))
CONFIG = ROOT / "deploy/ray/serve.yaml"
STORE_BYTES = 100 * 2**20
STARTS_WITHIN_S = 120
TOKEN = "0" * 64


def drivers():
    """Every process that speaks to Ray for the models of this one."""
    found = descendants(os.getpid())
    lines = {pid: Path(f"/proc/{pid}/cmdline") for pid in found}
    return [
        pid
        for pid, line in lines.items()
        if line.exists() and b"ray_serve.driver" in line.read_bytes()
    ]


class RayNode:
    """The processes of one node."""

    def __init__(self, environment, *options):
        small = ("--num-cpus=1", f"--object-store-memory={STORE_BYTES}", "--disable-usage-stats")
        # Two nodes share this machine, and what has a fixed port by default would clash.
        ports = ("--dashboard-agent-listen-port=0",)
        self.process = subprocess.Popen(
            [SCRIPTS / "ray", "start", "--block", *small, *ports, *options],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self):
        """End everything on the node at once, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class RayCluster:
    """A head and other nodes; it starts again where it was."""

    def __init__(self):
        self.port, self.client_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.variables = {
            "RAY_ADDRESS": self.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
        }
        self.environment = {
            **os.environ,
            **self.variables,
            "GRPC_ENABLE_FORK_SUPPORT": "0",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        self.nodes = []

    def start(self, nodes=2):
        """Start the head, and the other nodes once it listens."""
        head = f"--port={self.port}", f"--ray-client-server-port={self.client_port}"
        node = {k: v for k, v in self.environment.items() if k != "RAY_ADDRESS"}
        self.nodes = [RayNode(node, "--head", "--include-dashboard=false", *head)]
        self.ask("health-check", "--address", self.address)
        self.nodes += [RayNode(node, f"--address={self.address}") for _ in range(nodes - 1)]

    def ask(self, *command):
        """Run a command of Ray until it succeeds."""
        end = time.monotonic() + STARTS_WITHIN_S
        while True:
            asked = subprocess.run(
                [SCRIPTS / "ray", *command],
                env=self.environment,
                check=False,
                capture_output=True,
                text=True,
            )
            if asked.returncode == 0:
                return asked.stdout
            assert time.monotonic() < end, asked.stdout + asked.stderr

    def deploy(self, config):
        """Deploy applications as an operator does."""
        command = [SCRIPTS / "serve", "run", "--non-blocking", "--address", self.address, config]
        deployed = subprocess.run(
            command, env=self.environment, check=False, capture_output=True, text=True
        )
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr

    def kill(self):
        """End all nodes at once."""
        for node in self.nodes:
            node.kill()
        self.nodes = []


def small_config(folder, args, **scaling):
    """Write the deployment's own file with other arguments, and of a size for two processors.

    `scaling` says how many replicas there are, and when.
    """
    config = yaml.safe_load(CONFIG.read_text())
    config["applications"] = [one for one in config["applications"] if one["name"] in args]
    for application in config["applications"]:
        application["args"] = args[application["name"]]
        for deployment in application["deployments"]:
            del deployment["autoscaling_config"]
            deployment.update(scaling)
            deployment["max_replicas_per_node"] = 1
            deployment["ray_actor_options"] = {"num_cpus": 0.1}
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(config))
    return path
