"""Four kinds of question that a small model half knows, with rewards of different scales.

A sum is right or wrong; a choice between two is right half the time by luck; a time span or a
transcript can be partly right. Every question comes with one example of its kind, answered.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

THINGS = {
    "an animal": ("dog", "cat", "horse", "cow", "pig", "sheep", "lion", "tiger", "duck", "frog"),
    "a fruit": ("apple", "banana", "orange", "grape", "peach", "pear", "lemon", "cherry", "plum"),
    "a tool": ("hammer", "saw", "drill", "wrench", "shovel", "rake", "knife", "axe"),
    "a colour": ("red", "blue", "green", "yellow", "black", "white", "brown", "pink"),
}
EVENTS = ("a man sings", "a dog runs", "a girl swims", "a boy reads", "a cat sleeps", "a car stops")
SIGNS = (
    "NORTH",
    "SOUTH",
    "GATE",
    "ROOM",
    "EXIT",
    "SALE",
    "FRESH",
    "OPEN",
    "BREAD",
    "DAILY",
    "FREE",
)
LETTERS = "AB"
LONGEST_EVENT_S = 9


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A question, a thought that leads to its answer, and the answer."""

    prompt: str
    thought: str
    answer: str

    @property
    def response(self) -> str:
        """A whole response that would be given full marks."""
        return f"<think>{self.thought}</think><answer>{self.answer}</answer>"


def pose_sum(dice: random.Random) -> Puzzle:
    """Take a sum of two small numbers from reasoning-gym."""
    import reasoning_gym

    chains = reasoning_gym.create_dataset(
        "chain_sum",
        size=40,  # about half of them are differences
        seed=dice.randrange(1 << 30),
        min_terms=2,
        max_terms=2,
        min_digits=1,
        max_digits=1,
    )
    chain = next(each for each in chains if "-" not in each["question"])
    formula = chain["question"].partition(": ")[2].removesuffix(" =")
    return Puzzle(f"What is {formula}?", f"{formula} = {chain['answer']}", chain["answer"])


def pose_choice(dice: random.Random) -> Puzzle:
    """Ask which of two things is of a kind."""
    right, wrong = dice.sample(sorted(THINGS), 2)
    options = [dice.choice(THINGS[right]), dice.choice(THINGS[wrong])]
    answer = dice.randrange(2)
    if answer:
        options.reverse()
    listed = " ".join(f"{letter}. {each}" for letter, each in zip(LETTERS, options, strict=True))
    return Puzzle(f"Which one is {right}? {listed}", options[answer], LETTERS[answer])


def pose_time_span(dice: random.Random) -> Puzzle:
    """Describe a video second by second and ask when something happens."""
    spans, start = [], 0
    for event in dice.sample(EVENTS, 2):
        end = start + dice.randint(2, LONGEST_EVENT_S)
        spans.append((start, end, event))
        start = end
    first, last, event = dice.choice(spans)
    story = " ".join(f"{start}-{end} s: {event}." for start, end, event in spans)
    answer = json.dumps({"time": [first, last]})
    return Puzzle(f"{story} When is it that {event}?", f"{first}-{last} s", answer)


def pose_sign(dice: random.Random) -> Puzzle:
    """Ask for a sign to be copied out."""
    text = " ".join(dice.sample(SIGNS, dice.randint(2, 4)))
    return Puzzle(f"Copy this sign: {text}", "copy", text)


KINDS: Mapping[str, Callable[[random.Random], Puzzle]] = {
    "numerical": pose_sum,
    "multiple_choice": pose_choice,
    "temporal_grounding": pose_time_span,
    "ocr": pose_sign,
}


def write_questions(path: Path, rounds: int, *, seed: int) -> None:
    """Write `rounds` questions of each kind, in turn, as the training loop reads them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(line) for line in _questions(rounds, random.Random(seed)))  # noqa: S311  # questions, not secrets
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _questions(rounds: int, dice: random.Random) -> Iterator[dict[str, object]]:
    for _ in range(rounds):
        for kind, pose in KINDS.items():
            puzzle, example = pose(dice), pose(dice)
            yield {
                "prompt": puzzle.prompt,
                "kind": kind,
                "ground_truth": puzzle.answer,
                "examples": [[example.prompt, example.response]],
            }
