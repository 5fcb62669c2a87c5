"""Proof that a log of updates is whole: nothing missing, nothing twice, every bit as reckoned.

Reads only the log, and reckons every update again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rewards.advantages.rollouts import EmaState
from rewards.maths.moments import fold
from service.engine.update_line import UpdateLine
from service.state.records import Mark

MOST_FAULTS = 50


@dataclass(frozen=True, slots=True)
class LogReport:
    """What a log was found to hold; it hangs together if there are no `faults`.

    `repeated` counts lines that say the same as an earlier one, which is harmless; `rewinds`
    counts how often a run went on from an earlier version.
    """

    runs: int
    updates: int
    rewinds: int
    repeated: int
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass(slots=True)
class _Branch:
    """What a run's log has told so far: the state at each version of the history that stands."""

    states: dict[int, EmaState] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    generation: int = -1
    latest: int = -1
    rewinds: int = 0


def verify_log(path: Path) -> LogReport:
    """Check the log in a file of JSON lines."""
    with path.open("rb") as file:
        return verify_lines(file)


def verify_lines(lines: Iterable[bytes]) -> LogReport:
    """Check a log of any number of runs; their lines may be mixed, and a run's in any order.

    A run's log may begin at any version. From there on each version must follow from the one
    before: the same moments, a later step, and moments afterwards that are, to the last bit, those
    of equation 9.
    """
    faults: list[str] = []
    distinct: dict[tuple[str, Mark], UpdateLine] = {}
    repeated = 0
    for number, content in enumerate(lines, start=1):
        try:
            line = UpdateLine.decode(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            faults.append(f"line {number} is no update: {type(error).__name__}: {error}")
            continue
        place = (line.run, line.mark)
        if distinct.setdefault(place, line) == line:
            repeated += 1
        else:
            faults.append(f"line {number}: {_name(line)} is there twice, with another content")
    updates = sorted(distinct.values(), key=lambda line: (line.run, line.mark))
    branches: dict[str, _Branch] = {}
    for line in updates:
        faults += _follow(branches.setdefault(line.run, _Branch()), line)
    return LogReport(
        runs=len(branches),
        updates=len(distinct),
        rewinds=sum(branch.rewinds for branch in branches.values()),
        repeated=repeated - len(distinct),
        faults=tuple(faults[:MOST_FAULTS]),
    )


def _follow(branch: _Branch, line: UpdateLine) -> Iterator[str]:
    version = line.mark.version
    if line.event == "import":
        branch.states, branch.steps = {}, {}
    else:
        yield from _check_place(branch, line)
        yield from _check_moments(branch, line)
    branch.states[version], branch.steps[version] = line.after, line.step
    branch.generation, branch.latest = line.mark.generation, version


def _check_place(branch: _Branch, line: UpdateLine) -> Iterator[str]:
    version = line.mark.version
    if line.mark.generation != branch.generation and branch.states and version <= branch.latest:
        branch.rewinds += 1
        for gone in [later for later in branch.states if later >= version]:
            del branch.states[gone], branch.steps[gone]
    if branch.states and version - 1 not in branch.states and version > 1:
        yield f"{_name(line)}: version {version - 1} is missing, the last one is {branch.latest}"
    earlier = branch.steps.get(version - 1)
    if earlier is not None and earlier >= line.step:
        yield f"{_name(line)}: step {line.step} was taken after step {earlier}"


def _check_moments(branch: _Branch, line: UpdateLine) -> Iterator[str]:
    version = line.mark.version
    before = branch.states.get(version - 1, {} if version == 1 else None)
    if before is not None:
        touched = {task: before[task] for task in line.batch if task in before}
        if touched != line.before:
            yield f"{_name(line)}: the moments before it are not those after version {version - 1}"
    yield from _check_fold(line, before)


def _check_fold(line: UpdateLine, before: EmaState | None) -> Iterator[str]:
    untouched: Mapping[str, object] = before or {
        task: moments for task, moments in line.after.items() if task not in line.batch
    }
    folded = {
        task: fold(line.before.get(task), batch, line.decay) for task, batch in line.batch.items()
    }
    if {**untouched, **folded} != line.after:
        yield f"{_name(line)}: the moments after it are not what its batch leads to"


def _name(line: UpdateLine) -> str:
    return f"version {line.mark.version} of run {line.run!r} (generation {line.mark.generation})"
