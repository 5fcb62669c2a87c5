"""What comes back from `POST /reward`: verdicts, and why some items have none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from trainer_client.wire.text import decode, maybe_number, number, reading


@dataclass(frozen=True, slots=True)
class SpecTag:
    """Which constants and formulas made the numbers."""

    name: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why an item has no verdict, and whether it may get one on a second try."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The verdict on one item; `reward` and `accuracy` are `None` exactly where `error` is set."""

    id: str
    reward: float | None
    accuracy: float | None
    format: float | None
    structure: float | None
    parts: Mapping[str, float]
    scorer: str | None
    reason: str | None
    error: ItemError | None
    scaled_reward: float | None = None

    @property
    def scored(self) -> bool:
        """Whether there is a verdict."""
        return self.reward is not None

    @property
    def retryable(self) -> bool:
        """Whether the machine, not the item, stood in the way of a verdict."""
        return self.error is not None and self.error.retryable

    @classmethod
    def refused(cls, identity: str, code: str, message: str) -> Self:
        """Return what comes of an item that the service would not even look at."""
        return cls(
            id=identity,
            reward=None,
            accuracy=None,
            format=None,
            structure=None,
            parts={},
            scorer=None,
            reason=None,
            error=ItemError(code, message, retryable=False),
        )

    @classmethod
    def read(cls, document: Any) -> Self:
        """Read one element of `results`."""
        scored = {"scored": True, "unscored": False}[document["status"]]
        error = document.get("error")
        read = cls(
            id=str(document["id"]),
            reward=maybe_number(document["reward"]),
            accuracy=maybe_number(document["accuracy"]),
            format=maybe_number(document["format"]),
            structure=maybe_number(document["structure"]),
            parts={name: number(part) for name, part in document["parts"].items()},
            scorer=document.get("scorer"),
            reason=document.get("reason"),
            error=error and ItemError(error["code"], error["message"], error["retryable"]),
            scaled_reward=maybe_number(document.get("scaled_reward")),
        )
        if not scored == read.scored == (read.accuracy is not None) == (read.error is None):
            raise ValueError(f"a contradictory result: {document!r:.200}")
        return read


@dataclass(frozen=True, slots=True)
class RewardResponse:
    """The verdicts on a batch, in the order of its items."""

    spec: SpecTag
    results: tuple[ItemResult, ...]

    @property
    def rewards(self) -> list[float | None]:
        """The reward of each item, `None` where there is no verdict: never read that as 0."""
        return [result.reward for result in self.results]

    @property
    def scaled_rewards(self) -> list[float | None]:
        """The scaled reward of each item, where scaling was asked for."""
        return [result.scaled_reward for result in self.results]

    @property
    def accuracy(self) -> list[float | None]:
        """The accuracy of each item, `None` where there is no verdict."""
        return [result.accuracy for result in self.results]

    @property
    def unscored(self) -> list[ItemResult]:
        """The items without a verdict; each has an `error` that says why."""
        return [result for result in self.results if not result.scored]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read the answer of `POST /reward`; raise `BadAnswer` if it is none."""
        document = decode(body)
        with reading("the answer of POST /reward"):
            spec = document["spec"]
            return cls(
                SpecTag(str(spec["name"]), int(spec["version"]), str(spec["digest"])),
                tuple(map(ItemResult.read, document["results"])),
            )
