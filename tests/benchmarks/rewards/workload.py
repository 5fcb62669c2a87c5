"""Rollouts of a training step as the corpus mixes them, seeded: in groups, or nothing shared."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

import orjson

from rewards.sample import Sample

PROMPTS, GROUP = 128, 8
THOUGHT_WORDS = 250
WITHOUT_TAGS = 0.05

THOUGHTS = (
    "So let us analyze the frame the person moves from left to right then the box should be around "
    "the object wait maybe the other one is correct we check again the time span and coordinates"
)
SENTENCE = (
    "a man in a blue shirt is standing near the white board and explains the equations to another "
    "person who takes notes on a colorful couch in a warm living room with many books and a lamp"
)
MUSINGS = Random(0).choices(THOUGHTS.split(), k=20_000)
VOCABULARY = SENTENCE.split()

# Truths as datasets have them, bare, and what policies make of each.
FORMULAS = (
    (r"\frac{3}{2}", ("1.5", r"$\frac{3}{2}$", r"$$\dfrac{3}{2}$$", "2", r"\frac{6}{4}")),
    ("x^2+2x+1", ("$(x+1)^2$", "x^2+2x+1", "x^2+x+1")),
    (r"2\sqrt{3}", (r"$\sqrt{12}$", "3.46", r"$2\sqrt{3}$")),
    (r"\{1,2,3\}", (r"$\{3,2,1\}$", "1,2,3", r"$\{1,2\}$")),
    (r"30^\circ", ("30", r"$30^\circ$", "60")),
    (r"\pi/4", (r"$\frac{\pi}{4}$", "0.785", "45")),
)

Pair = tuple[str, str]
Maker = Callable[[Random, Random], Pair]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How items of a kind are made: the truth from the prompt's chance, the answer from its own.

    `alone` makes answers of which no two are alike, where `make` repeats itself.
    """

    kind: str
    share: int
    make: Maker
    alone: Maker | None = None
    media: str | None = None

    @property
    def name(self) -> str:
        """The kind, and the media type where that tells two recipes apart."""
        return f"{self.kind}/{self.media}" if self.kind == "segmentation" else self.kind


def _option(prompt: Random, rollout: Random) -> Pair:
    return prompt.choice("ABCD"), rollout.choice("ABCD")


def _explained_option(prompt: Random, rollout: Random) -> Pair:
    return prompt.choice("ABCD"), f"{rollout.choice('ABCD')}. {' '.join(_words(rollout, 6))}"


def _number(prompt: Random, rollout: Random) -> Pair:
    true = prompt.randint(0, 400) / 4
    return str(true), rollout.choice((str(true), str(int(true) + 1), f"{true:.2f}"))


def _distinct_number(prompt: Random, rollout: Random) -> Pair:
    true = prompt.uniform(0, 1000)
    return f"{true:.4f}", f"{true + rollout.choice((0.0, 0.001, 0.5)):.5f}"


def _estimate(prompt: Random, rollout: Random) -> Pair:
    true = prompt.randint(10, 200)
    return str(true), f"{true + rollout.gauss(0, 5):.2f}"


def _formula(prompt: Random, rollout: Random) -> Pair:
    truth, answers = prompt.choice(FORMULAS)
    return truth, rollout.choice(answers)


def fresh_formula(prompt: Random, rollout: Random) -> Pair:
    """A formula with numbers of its own, of one of several families."""
    family, a, b = prompt.randrange(FAMILIES), prompt.randint(2, 999), prompt.randint(2, 99)
    c, odd = rollout.choice((a, a, rollout.randint(2, 999))), rollout.randint(0, 9999)
    truth, answers = _families(a, b, c, odd)[family]
    return truth, rollout.choice(answers)


def equal_formula(prompt: Random, rollout: Random) -> Pair:
    """A formula and another writing of it, which only algebra can tell."""
    a, b = prompt.randint(2, 999), rollout.randint(2, 999)
    return f"$(x+{a})^2$", rf"$x^2+{2 * a + b}x-{b}x+{a * a}$"


def _families(a: int, b: int, c: int, odd: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    integer = f"{c}", f"${c}$", rf"\boxed{{{c}}}", f"{c}.{odd}"
    square = rf"$\sqrt{{{3 * c * c}}}$"
    return (
        (f"{a}", integer),
        (f"{a}", integer),
        (f"{a}.{b}", (f"{c}.{b}", f"${c}.{odd}$", f"{a}.{odd}")),
        (
            rf"$\frac{{{a}}}{{{b}}}$",
            (rf"$\frac{{{c * (odd + 1)}}}{{{b * (odd + 1)}}}$", f"{c}/{b}", f"{c / b:.4f}"),
        ),
        (rf"${a}\sqrt{{3}}$", (square, rf"${c}\sqrt{{3}}$", f"{c * math.sqrt(3):.3f}")),
        (
            f"$x^2+{2 * a}x+{a * a}$",
            (f"$(x+{c})^2+{odd}$", f"$x^2+{2 * c}x+{c * c + odd}$", f"x^2+{odd}"),
        ),
        (
            rf"$\{{{a},{b}\}}$",
            (rf"$\{{{b},{c}\}}$", f"{c},{odd}", rf"$\{{{c},{odd}\}}$"),
        ),
        (rf"${a}^\circ$", (rf"${c}^\circ$", f"{c}.{odd}", rf"$\frac{{{odd}\pi}}{{{b}}}$")),
    )


FAMILIES = len(_families(1, 1, 1, 1))


def _transcription(prompt: Random, rollout: Random) -> Pair:
    words = _words(prompt, 40)
    return " ".join(words), " ".join(word for word in words if rollout.random() > 0.1)


def _description(prompt: Random, rollout: Random) -> Pair:
    words = _words(prompt, 120)
    told = (rollout.choice(VOCABULARY) if rollout.random() < 0.4 else word for word in words)
    return " ".join(words), " ".join(told)


def _span(prompt: Random, rollout: Random) -> Pair:
    start = prompt.randint(0, 1280) / 10
    told = [round(second + rollout.gauss(0, 2), 2) for second in (start, start + 8)]
    return json.dumps({"time": [start, start + 8]}), json.dumps({"time": told})


def _region(prompt: Random, rollout: Random) -> Pair:
    box = _box(prompt)
    return json.dumps({"boxes": box}), json.dumps({"boxes": _near(rollout, box)})


def _tube(prompt: Random, rollout: Random) -> Pair:
    boxes = {str(frame): _box(prompt) for frame in range(5, 20)}
    told = {frame: _near(rollout, box) for frame, box in boxes.items() if rollout.random() > 0.1}
    return (
        json.dumps({"time": [5.0, 19.5], "boxes": boxes}),
        json.dumps({"time": [5 + rollout.random(), 19.0], "boxes": told}),
    )


def _track(prompt: Random, rollout: Random) -> Pair:
    return track(prompt, rollout, frames=32)


def track(prompt: Random, rollout: Random, *, frames: int) -> Pair:
    """A true track of that many frames, and one that is a little off."""
    boxes = {str(frame): _box(prompt) for frame in range(1, frames + 1)}
    told = {frame: _near(rollout, box) for frame, box in boxes.items()}
    return json.dumps({"boxes": boxes}), json.dumps({"boxes": told})


def texts(prompt: Random, rollout: Random, *, words: int) -> Pair:
    """A true text of that many words, and one with every tenth word changed."""
    true = _words(prompt, words)
    told = (rollout.choice(VOCABULARY) if rollout.random() < 0.1 else word for word in true)
    return " ".join(true), " ".join(told)


def _guidance(prompt: Random, rollout: Random) -> tuple[dict[str, object], dict[str, object]]:
    box = _box(prompt)
    true: dict[str, object] = {"boxes": box}
    told: dict[str, object] = {"boxes": _near(rollout, box)}
    for side in ("positive_points", "negative_points"):
        points = [[prompt.randint(0, 1000), prompt.randint(0, 1000)] for _ in range(3)]
        true[side] = points
        told[side] = [_near(rollout, point, 30) for point in points]
    return true, told


def _image_guidance(prompt: Random, rollout: Random) -> Pair:
    true, told = _guidance(prompt, rollout)
    return json.dumps(true), json.dumps(told)


def _video_guidance(prompt: Random, rollout: Random) -> Pair:
    true, told = _guidance(prompt, rollout)
    second = prompt.randint(0, 128) / 7
    return (
        json.dumps(true | {"time": second}),
        json.dumps(told | {"time": round(second + rollout.gauss(0, 0.1), 2)}),
    )


def _words(chance: Random, count: int) -> list[str]:
    return chance.choices(VOCABULARY, k=count)


def _box(chance: Random) -> list[int]:
    left, top = chance.randint(0, 700), chance.randint(0, 700)
    return [left, top, left + chance.randint(50, 300), top + chance.randint(50, 300)]


def _near(chance: Random, numbers: Sequence[int], spread: float = 20) -> list[int]:
    return [round(max(0, min(1000, number + chance.gauss(0, spread)))) for number in numbers]


RECIPES = (
    Recipe("multiple_choice", 20, _option, _explained_option),
    Recipe("numerical", 8, _number, _distinct_number),
    Recipe("math", 14, _formula, fresh_formula),
    Recipe("regression", 8, _estimate, _distinct_number),
    Recipe("ocr", 5, _transcription),
    Recipe("open_ended", 14, _description),
    Recipe("temporal_grounding", 14, _span),
    Recipe("spatial_grounding", 5, _region),
    Recipe("spatial_temporal_grounding", 3, _tube),
    Recipe("tracking", 5, _track),
    Recipe("segmentation", 3, _image_guidance, media="image"),
    Recipe("segmentation", 1, _video_guidance, media="video"),
)


def make_step(
    seed: int,
    *,
    prompts: int = PROMPTS,
    group: int = GROUP,
    recipes: Sequence[Recipe] = RECIPES,
    distinct: bool = False,
) -> list[Sample]:
    """Return `prompts * group` rollouts; `distinct` ones share neither truth nor answer.

    >>> len(make_step(1, prompts=4, group=2)), make_step(1, prompts=2) == make_step(1, prompts=2)
    (8, True)
    """
    chance = Random(seed)
    chosen = chance.choices(recipes, [recipe.share for recipe in recipes], k=prompts)
    return [
        _sample(recipe, f"{seed}/{number}", chance, distinct=distinct)
        for number, recipe in enumerate(chosen)
        for _ in range(group)
    ]


def _sample(recipe: Recipe, group: str, chance: Random, *, distinct: bool) -> Sample:
    make = (recipe.alone or recipe.make) if distinct else recipe.make
    truth, answer = make(Random(group), chance)
    return Sample(recipe.kind, respond(chance, answer), truth, media_type=recipe.media, group=group)


def respond(chance: Random, answer: str) -> str:
    """Wrap an answer as a policy does, with a thought before it, and now and then forget to."""
    if chance.random() < WITHOUT_TAGS:
        return answer
    start = chance.randrange(len(MUSINGS) - THOUGHT_WORDS)
    thought = " ".join(MUSINGS[start : start + THOUGHT_WORDS])
    return f"<think>{thought}</think>\n\n<answer>{answer}</answer>"


def to_wire(samples: Iterable[Sample]) -> bytes:
    """The body of `POST /reward` for these samples."""
    items = [
        {
            "id": str(number),
            "kind": sample.kind,
            "response": sample.response,
            "ground_truth": sample.ground_truth,
            "media_type": sample.media_type,
            "group": sample.group,
        }
        for number, sample in enumerate(samples)
    ]
    return orjson.dumps({"items": items})
