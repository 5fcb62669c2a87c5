"""What a run store keeps: where a run stands, what its steps did, what was answered."""

from collections.abc import Sequence
from dataclasses import dataclass

SCHEMA = 1
"""Of what is stored. A store refuses to write where it finds another one."""

BEFORE_FIRST = -1
"""The step of a run that has taken none."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is stored is kept.

    Records and answers are kept for the latest steps of a run. A run that is not written to for
    `expire_s` loses its answers, and a step that gathers nothing for as long loses its entries.
    """

    record_steps: int = 10_000
    answer_steps: int = 128
    expire_s: float = 86_400.0

    def __post_init__(self) -> None:
        if not 1 <= self.answer_steps <= self.record_steps:
            raise ValueError(
                f"expected 1 <= answer_steps <= record_steps, "
                f"got {self.answer_steps} and {self.record_steps}"
            )


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a run's history.

    `version` counts its steps. `generation` grows whenever its past is changed (a rewind, an
    import, a new run of the same name), so a mark never comes back with another meaning.
    """

    generation: int
    version: int


@dataclass(frozen=True, slots=True)
class Head:
    """Where a run stands: after `step`, with `document` as its state."""

    mark: Mark
    step: int
    document: bytes
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer that was given, and the fingerprint of the request that it was given to."""

    fingerprint: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What a step did, in one line of JSON."""

    step: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """A run at one instant: where it stands, one answer, and how much a step has gathered."""

    head: Head | None
    answer: StoredAnswer | None
    gathered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A change of a run, made whole or not at all.

    It is made only if the run stands at `expected` (None: does not exist) and `head.step` has
    gathered exactly `gathered` entries; these and those of earlier steps are then dropped.
    With `forget_after` set, records and answers of later steps go first, and all that is gathered,
    however much that is.
    """

    head: Head
    expected: Mark | None
    record: Record | None = None
    answers: Sequence[StoredAnswer] = ()
    gathered: int = 0
    forget_after: int | None = None

    def fits(self, head: Head | None, gathered: int) -> bool:
        """Whether the run still stands where the writer read it."""
        as_read = gathered == self.gathered or self.forget_after is not None
        return (head and head.mark) == self.expected and as_read
