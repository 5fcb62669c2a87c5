"""The ways in which a step's rewards are come by, and that they all come to the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from rewards.pipeline import score_batch
from rewards.sample import Sample
from rewards.score import Scored
from rewards.specs import ONETHINKER_RELEASED
from tests.benchmarks.rewards.baseline import Marks, score_item
from tests.benchmarks.rewards.floor import read_and_write
from tests.benchmarks.rewards.service import Service
from tests.benchmarks.rewards.workload import RECIPES, Recipe, make_step, to_wire

SAME = 1e-12
UNSEEN = count(1)


@dataclass(frozen=True, slots=True)
class Step:
    """A step's samples, and the request that carries them."""

    samples: Sequence[Sample]
    body: bytes

    def __len__(self) -> int:
        """How many items there are."""
        return len(self.samples)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a step is made of, and how it is timed: `quick` steps for one of the baseline's.

    So no way is timed for much less long than the baseline.
    """

    prompts: int
    group: int
    rounds: int = 3
    quick: int = 8
    distinct: bool = False
    recipes: Sequence[Recipe] = RECIPES

    def steps(self, number: int) -> list[Step]:
        """Steps that nobody has seen."""
        return [self.step(next(UNSEEN)) for _ in range(number)]

    def step(self, seed: int) -> Step:
        """One step."""
        samples = make_step(
            seed,
            prompts=self.prompts,
            group=self.group,
            recipes=self.recipes,
            distinct=self.distinct,
        )
        return Step(samples, to_wire(samples))


def by_hand(step: Step) -> list[Marks]:
    """The baseline's numbers."""
    return [score_item(sample) for sample in step.samples]


def by_library(step: Step) -> list[Marks]:
    """The library's numbers."""
    return [
        Marks(verdict.reward, verdict.accuracy, verdict.format, verdict.structure)
        for verdict in score_batch(step.samples, ONETHINKER_RELEASED)
        if isinstance(verdict, Scored)
    ]


def by_service(service: Service) -> Callable[[Step], list[Marks]]:
    """The service's numbers."""
    names = ("reward", "accuracy", "format", "structure")
    return lambda step: [
        Marks(*(result[name] for name in names)) for result in service.score(step.body)
    ]


def check_same(step: Step, *ways: Callable[[Step], list[Marks]]) -> None:
    """Fail unless every way gives every item the baseline's numbers."""
    expected = by_hand(step)
    for way in ways:
        for sample, marks, found in zip(step.samples, expected, way(step), strict=True):
            if not marks.is_near(found, SAME):
                raise AssertionError(f"expected {marks}, got {found} for {sample}")


def library(step: Step) -> object:
    """The library, as timed."""
    return score_batch(step.samples, ONETHINKER_RELEASED)


def floor(step: Step) -> object:
    """Reading and writing alone, as timed."""
    return read_and_write(step.body)


def over_http(service: Service) -> Callable[[Step], object]:
    """The service, as timed."""
    return lambda step: service.send(step.body)
