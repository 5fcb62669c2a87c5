"""Training jobs, replicas and one Redis: what so many jobs ask of them, and how long they wait."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from statistics import quantiles

import yaml

from service.settings import Settings
from tests.benchmarks.scale.costs import ROLLOUTS, Costs
from tests.benchmarks.scale.queues import Stage, Station, go_round
from tests.house.source import ROOT

BUSY = 0.6
LINK_BYTES_S = 1.25e9
SEED = 9
DEFAULTS = Settings.read({})


@dataclass(frozen=True, slots=True)
class Job:
    """A training job: `rollouts` a step in `parts` at once, then a pause to train and generate.

    Pauses and what an item costs vary as gamma variables with these coefficients of variation.
    """

    rollouts: int = ROLLOUTS
    parts: int = 8
    pause_s: float = 60.0
    pause_cv: float = 0.25
    cost_cv: float = 0.5
    image_bytes: int = 128 * 200_000
    judged_share: float = 0.14
    judged_tokens: int = 1000

    def core_s(self, costs: Costs) -> float:
        """Seconds of a core that a step takes from the replicas."""
        return self.parts * costs.request_s + self.rollouts * costs.item_s + costs.step_s

    def store_s(self, costs: Costs) -> float:
        """Seconds of Redis and its disk that a step takes."""
        return costs.store_s + costs.disk_s

    def wire_bytes(self, costs: Costs) -> float:
        """Bytes of a step's requests and answers."""
        return self.rollouts * (costs.item_bytes + costs.result_bytes)

    def kept_bytes(self, costs: Costs, *, answers: int, records: int) -> float:
        """Bytes that a long run keeps in Redis."""
        return answers * self.rollouts * costs.rollout_answer_bytes + records * costs.record_bytes

    def tokens_s(self) -> float:
        """Tokens a second that a reward model is asked to read."""
        return self.rollouts * self.judged_share * self.judged_tokens / self.pause_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """Waits of a step in seconds, shares of the time that servers were busy, the longest queue."""

    p50_s: float
    p99_s: float
    replicas_busy: float
    store_busy: float
    longest: int


def gamma(chance: Random, mean: float, cv: float) -> Callable[[], float]:
    """Draws with this mean and coefficient of variation."""
    shape = 1 / cv**2
    return lambda: chance.gammavariate(shape, mean / shape)


def rest_of(chance: Random, mean: float, cv: float) -> float:
    """What is left of such a time at a moment that knows nothing of it."""
    shape = 1 / cv**2
    return chance.random() * chance.gammavariate(shape + 1, mean / shape)


def simulate(
    costs: Costs, jobs: int, replicas: int, *, lasts_s: float, together: bool = False
) -> Outcome:
    """Let jobs take steps for some time; `together`, one each, all at the same moment.

    A replica is taken for one core, although workers and Redis's client give it more.
    """
    job, chance = Job(), Random(SEED)
    fleet, store = Station(replicas), Station(1)
    part_s = costs.request_s + job.rollouts / job.parts * costs.item_s
    stages = (
        Stage(fleet, job.parts, gamma(chance, part_s, job.cost_cv)),
        Stage(fleet, 1, lambda: costs.step_s),
        Stage(store, 1, lambda: job.store_s(costs)),
    )
    if together:
        starts, lasts_s = [0.0] * jobs, 0.0
    else:
        starts = [rest_of(chance, job.pause_s, job.pause_cv) for _ in range(jobs)]
    waited = go_round(starts, lasts_s, stages, gamma(chance, job.pause_s, job.pause_cv))
    waits = sorted(one.wait_s for one in waited)
    ended_s = max(one.began_s + one.wait_s for one in waited)
    cuts = quantiles(waits, n=100, method="inclusive")
    return Outcome(
        p50_s=cuts[49],
        p99_s=cuts[98],
        replicas_busy=fleet.busy_s / replicas / ended_s,
        store_busy=store.busy_s / ended_s,
        longest=fleet.longest,
    )


def replicas_for(costs: Costs, jobs: int, *, busy: float = BUSY) -> int:
    """How many replicas are busy for that share of the time; never fewer than one."""
    return max(1, math.ceil(jobs * Job().core_s(costs) / Job().pause_s / busy))


def manifests() -> tuple[int, float]:
    """The most replicas of the autoscaler, and the bytes that Redis may take, as shipped."""
    base = ROOT / "deploy/kubernetes/base"
    scaling = list(yaml.safe_load_all((base / "scaling.yaml").read_text()))
    most = next(one["spec"]["maxReplicas"] for one in scaling if "maxReplicas" in one["spec"])
    redis = list(yaml.safe_load_all((base / "redis.yaml").read_text()))
    (container,) = redis[1]["spec"]["template"]["spec"]["containers"]
    memory = container["args"][container["args"].index("--maxmemory") + 1]
    return most, float(memory.removesuffix("gb")) * 2**30


def limits(costs: Costs) -> Mapping[str, float]:
    """How many jobs fill what, the least first: the order in which things break."""
    job = Job()
    most, memory = manifests()
    kept = job.kept_bytes(costs, answers=DEFAULTS.answer_steps, records=DEFAULTS.record_steps)
    lean = job.kept_bytes(costs, answers=16, records=1000)
    wire = job.wire_bytes(costs)
    found = {
        "memory of the shipped Redis, at default retention": memory / kept,
        "the same with `--answer-steps 16 --record-steps 1000`": memory / lean,
        f"one replica, {BUSY:.0%} busy": BUSY * job.pause_s / job.core_s(costs),
        f"{most} replicas, {BUSY:.0%} busy": most * BUSY * job.pause_s / job.core_s(costs),
        f"one Redis and its disk, {BUSY:.0%} busy": BUSY * job.pause_s / job.store_s(costs),
        "a link of 10 Gbit/s, text alone": job.pause_s * LINK_BYTES_S / wire,
        "the same with 128 new images of 200 kB a step": job.pause_s
        * LINK_BYTES_S
        / (wire + job.image_bytes),
    }
    return dict(sorted(found.items(), key=lambda row: row[1]))
