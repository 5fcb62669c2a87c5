"""Four tasks whose rewards differ in scale and density, and answers that are off by some steps.

Each question tells all that its answer takes. Every number is one of 26 on a grid from 0 to
1000, so that the answer of any task is a row of slots on that grid, and an answer is blurred by
moving some of its slots.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STEP = 40
LAST = 25
LEVELS = ("easy", "medium", "hard")
OPEN, CLOSE = "<think></think><answer>", "</answer>"
SPAN = 14
HALF_BOX = 4
OFFSETS = (-1, 0, 1)

Slots = Sequence[int]


@dataclass(frozen=True, slots=True)
class Task:
    """One task: what is told, what is right, how it is written, and how the cold start errs.

    A slot is off with the chance that `blur` gives its level, by at most `reach` steps.
    """

    kind: str
    media_type: str | None
    pose: Callable[[random.Random], tuple[Slots, Slots]]
    layout: Sequence[str]
    blur: Mapping[str, float]
    reach: int

    def write(self, slots: Slots) -> str:
        """Write an answer, its tokens parted by spaces."""
        parts = iter(self.layout)
        words = [next(parts)]
        for slot, part in zip(slots, parts, strict=True):
            words += [str(slot * STEP), part]
        return " ".join(word for word in words if word)

    def blurred(self, slots: Slots, level: str, dice: random.Random) -> list[int]:
        """Move each slot that chance says, never off the grid."""
        return [
            _moved(slot, self.reach, dice) if dice.random() < self.blur[level] else slot
            for slot in slots
        ]


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A question of one task and level, with the right slots."""

    task: Task
    level: str
    told: Slots
    right: Slots

    @property
    def prompt(self) -> str:
        """What the policy reads."""
        return " ".join([self.task.kind, self.level, *(str(slot * STEP) for slot in self.told)])

    def response(self, dice: random.Random) -> str:
        """Answer as the cold start teaches: in the right form, and blurred."""
        slots = self.task.blurred(self.right, self.level, dice)
        return f"{OPEN} {self.task.write(slots)} {CLOSE}"


def _moved(slot: int, reach: int, dice: random.Random) -> int:
    choices = range(max(0, slot - reach), min(LAST, slot + reach) + 1)
    return dice.choice([choice for choice in choices if choice != slot])


def pose_sum(dice: random.Random) -> tuple[Slots, Slots]:
    """Two numbers, of which the second is small, and their sum."""
    small = dice.randint(0, 4)
    large = dice.randint(0, LAST - small)
    return (large, small), (large + small,)


def pose_span(dice: random.Random) -> tuple[Slots, Slots]:
    """A long span of time, so that an answer a little off still overlaps it by most."""
    start = dice.randint(0, LAST - SPAN)
    span = (start, start + SPAN)
    return span, span


def pose_copy(dice: random.Random) -> tuple[Slots, Slots]:
    """Four numbers to copy out."""
    words = tuple(dice.randint(0, LAST) for _ in range(4))
    return words, words


def pose_object(dice: random.Random) -> tuple[Slots, Slots]:
    """The middle of an object: its box, three points on it, three beside it."""
    x, y = (dice.randint(HALF_BOX + 1, LAST - HALF_BOX - 1) for _ in range(2))
    box = (x - HALF_BOX, y - HALF_BOX, x + HALF_BOX, y + HALF_BOX)
    on = tuple(slot for offset in OFFSETS for slot in (x + offset, y))
    beside = tuple(slot for offset in OFFSETS for slot in (x + offset, y + HALF_BOX + 1))
    return (x, y), (*box, *on, *beside)


POINTS = (",", "],[", ",", "],[", ",")
TASKS = (
    Task(
        "numerical",
        None,
        pose_sum,
        layout=("", ""),
        blur={"easy": 0.4, "medium": 0.75, "hard": 0.95},
        reach=6,
    ),
    Task(
        "temporal_grounding",
        None,
        pose_span,
        layout=('{"time":[', ",", "]}"),
        blur={"easy": 0.3, "medium": 0.6, "hard": 0.9},
        reach=2,
    ),
    Task(
        "ocr",
        None,
        pose_copy,
        layout=("", "", "", "", ""),
        blur={"easy": 0.15, "medium": 0.4, "hard": 0.7},
        reach=4,
    ),
    Task(
        "segmentation",
        "image",
        pose_object,
        layout=(
            '{"boxes":[',
            *(",", ",", ",", '],"positive_points":[['),
            *POINTS,
            ']],"negative_points":[[',
            *POINTS,
            "]]}",
        ),
        blur={"easy": 0.15, "medium": 0.4, "hard": 0.7},
        reach=3,
    ),
)


def pose_all(dice: random.Random) -> list[Puzzle]:
    """Pose one puzzle of every task and level."""
    return [Puzzle(task, level, *task.pose(dice)) for task in TASKS for level in LEVELS]


def write_questions(path: Path, rounds: int, *, seed: int) -> None:
    """Write `rounds` times one question of every task and level, as the loop reads them.

    A question's id ends in its level.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    dice = random.Random(f"questions/{seed}")  # noqa: S311  # questions, not secrets
    lines = (json.dumps(line) for line in _lines(rounds, dice))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines(rounds: int, dice: random.Random) -> Iterator[dict[str, object]]:
    for number in range(rounds):
        for puzzle in pose_all(dice):
            yield {
                "id": f"{number}/{puzzle.level}",
                "prompt": puzzle.prompt,
                "kind": puzzle.task.kind,
                "media_type": puzzle.task.media_type,
                "ground_truth": puzzle.task.write(puzzle.right),
            }
