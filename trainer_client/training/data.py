"""Questions to train on, from JSONL in OneThinker's field names or our own."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer_client.rows import COLUMNS, first_of, task_key
from trainer_client.training.errors import BadQuestion

FIELDS = {
    **{name: COLUMNS[name] for name in ("prompt", "kind", "media_type", "ground_truth", "task")},
    "id": ("id", "problem_id"),
    "images": ("images",),
    "videos": ("videos",),
    "options": ("options",),
    "examples": ("examples",),
}
IMAGE_MARK = "<image>"
VIDEO_MARK = "<video>"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    return isinstance(value, str | int)


def _are_texts(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(map(_is_text, value)))


def _are_exchanges(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, list) and len(each) == 2 and all(map(_is_text, each))  # noqa: PLR2004  # a question and its response
        for each in value
    )


SHAPES: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    **dict.fromkeys(("prompt", "kind", "media_type", "task"), ("text", _is_text)),
    "id": ("text or a whole number", _is_name),
    **dict.fromkeys(("images", "videos", "options"), ("text or a list of texts", _are_texts)),
    "examples": ("a list of [question, response]", _are_exchanges),
}
"""What each field must be, where it is there; a ground truth may be any JSON."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask, and what its answers are judged against.

    `prompt` holds one `<image>` mark for each of `images`, where the image stands, and so one
    `<video>` mark for each of `videos`. `examples` are exchanges (question, response) shown
    before it.
    """

    id: str
    prompt: str
    kind: str
    ground_truth: Any
    media_type: str | None = None
    task: str | None = None
    images: tuple[Path, ...] = ()
    videos: tuple[Path, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()

    @property
    def task_key(self) -> str:
        """The task whose sigma scales its advantages: its own, else its kind."""
        return task_key(self.kind, self.media_type, self.task)

    @classmethod
    def read(cls, line: Mapping[str, Any], *, number: int, folder: Path) -> "Question":
        """Read one line of a data file; images and videos are relative to its `folder`.

        The first of each field's names that holds something counts (`solution` before
        `answer`); other fields are ignored. Raises `BadQuestion`.

        >>> line = {"problem": "2 + 2?", "problem_type": "numerical", "solution": "4"}
        >>> Question.read(line, number=7, folder=Path())
        Question(id='7', prompt='2 + 2?', kind='numerical', ground_truth='4', media_type=None, \
task=None, images=(), videos=(), examples=())
        """
        found = {name: first_of(line, names) for name, names in FIELDS.items()}
        for name in ("prompt", "kind", "ground_truth"):
            if found[name] is None:
                raise BadQuestion(f"line {number}: expected one of {', '.join(FIELDS[name])}")
        for name, (shape, fits) in SHAPES.items():
            if found[name] is not None and not fits(found[name]):
                raise BadQuestion(
                    f"line {number}: {' or '.join(FIELDS[name])}: expected {shape}; "
                    f"got {found[name]!r:.60}"
                )
        images, videos = (
            tuple(folder / path for path in _list(found[name])) for name in ("images", "videos")
        )
        prompt = "\n".join([found["prompt"], *_options(found["options"])])
        for mark, paths in ((VIDEO_MARK, videos), (IMAGE_MARK, images)):
            prompt = _with_marks(prompt, mark, len(paths), number)
        return cls(
            id=str(number if found["id"] is None else found["id"]),
            prompt=prompt,
            kind=found["kind"],
            ground_truth=found["ground_truth"],
            media_type=found["media_type"],
            task=found["task"],
            images=images,
            videos=videos,
            examples=tuple((ask, reply) for ask, reply in found["examples"] or ()),
        )


def _list(given: str | list[str] | None) -> list[str]:
    if not given:
        return []
    return [given] if isinstance(given, str) else given


def _options(given: str | list[str] | None) -> list[str]:
    options = _list(given)
    return ["Options:", *options] if options else []


def _with_marks(prompt: str, mark: str, count: int, number: int) -> str:
    marks = prompt.count(mark)
    if marks in (0, count):
        return prompt if marks else mark * count + prompt
    raise BadQuestion(f"line {number}: expected {count} {mark} marks, one for each; got {marks}")


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read a JSONL file, one question a line; blank lines are skipped.

    Raises `BadQuestion`, for a file that is not there too: at the start, not in mid-training.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadQuestion(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        questions = tuple(
            _read_line(text, number, path.parent)
            for number, text in enumerate(lines, start=1)
            if text.strip()
        )
    except BadQuestion as error:
        raise BadQuestion(f"{path}: {error}") from None
    if not questions:
        raise BadQuestion(f"{path}: expected at least one question")
    return questions


def _read_line(text: str, number: int, folder: Path) -> Question:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadQuestion(f"line {number}: {error}") from None
    if not isinstance(line, dict):
        raise BadQuestion(f"line {number}: expected a JSON object; got {text[:40]!r}")
    question = Question.read(line, number=number, folder=folder)
    for path in question.images + question.videos:
        if not path.is_file():
            raise BadQuestion(f"line {number}: no such file: {path}")
    return question


def questions_for_step(
    questions: Sequence[Question], step: int, count: int, *, seed: int, shuffle: bool
) -> list[Question]:
    """Return the `count` questions of a step (from 1): a function of the arguments alone.

    The file is gone through again and again, in a new order each time if `shuffle`d, so a job
    resumes at the right place with nothing to remember.
    """
    start = (step - 1) * count
    size = len(questions)
    orders = {
        epoch: _order(size, seed=seed, epoch=epoch, shuffle=shuffle)
        for epoch in range(start // size, (start + count - 1) // size + 1)
    }
    return [questions[orders[i // size][i % size]] for i in range(start, start + count)]


def _order(size: int, *, seed: int, epoch: int, shuffle: bool) -> list[int]:
    order = list(range(size))
    if shuffle:
        random.Random(f"{seed}/{epoch}").shuffle(order)  # noqa: S311  # an order, not a secret
    return order
