"""The ready parts of a running service, and what each must offer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rewards.ports import Health
from rewards.sample import Sample
from rewards.score import Verdict
from rewards.specs import Spec
from service.access.file import KeyFile
from service.engine.admission import Admission, Capacity
from service.engine.advantages import AdvantageEngine
from service.engine.runs import RunLedger
from service.engine.streams import StreamEngine
from service.media.library import MediaLibrary
from service.media.limits import MediaLimits
from service.telemetry.metrics import Metrics
from service.telemetry.stages import Stages


class Scoring(Protocol):
    """Whatever gives each sample a verdict, in order, and never raises for one bad sample."""

    async def score(
        self,
        samples: Sequence[Sample],
        spec: Spec,
        *,
        owner: str = "",
        deadline: float | None = None,
    ) -> list[Verdict]:
        """Score every sample under `spec`, out of the share of `owner`.

        What is not done at `deadline` (an instant of `time.monotonic`) comes back unscored.
        """
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for, and all of them together; `GET /info` publishes it."""

    body_bytes: int
    items: int
    rollouts: int
    deadline_ms: int
    shards_deadline_ms: int
    body_timeout_s: float
    capacity: Capacity
    media: MediaLimits | None = None


@dataclass(slots=True)
class Lifecycle:
    """Whether this replica still wants new traffic; once it is draining it stays so."""

    draining: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """Everything a request handler may use.

    `default_spec` names the spec, among `specs`, of requests that name none. Each of `probes`
    tells of some parts, by name, whether they are ready; without the `vital` ones this replica
    wants no traffic at all. `media` is there where a mask model looks at it, `keys` where callers
    need one, `metrics_port` where metrics have a port of their own.
    """

    scoring: Scoring
    advantages: AdvantageEngine
    streams: StreamEngine
    runs: RunLedger
    specs: Mapping[str, Spec]
    default_spec: str
    limits: Limits
    admission: Admission
    metrics: Metrics
    stages: Stages
    probes: tuple[Callable[[], Mapping[str, Health]], ...]
    vital: frozenset[str]
    version: str
    media: MediaLibrary | None = None
    keys: KeyFile | None = None
    metrics_port: int | None = None
    lifecycle: Lifecycle = field(default_factory=Lifecycle)

    def health(self) -> dict[str, Health]:
        """Every part by name, and whether it is ready."""
        return {name: health for probe in self.probes for name, health in probe().items()}
