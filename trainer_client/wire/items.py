"""What is sent: rollouts, and what is said of them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer_client.errors import BadCall
from trainer_client.wire.media import Media
from trainer_client.wire.text import encode

JSON = str | int | float | bool | None | Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One rollout to be scored; only `kind`, `response` and `ground_truth` are required.

    `ground_truth` is text or JSON. Items of one `group` (the rollouts of one prompt) always
    travel in one request, because some kinds score a group together. `media` maps a role
    (`image`, `video`) to content.
    """

    kind: str
    response: str
    ground_truth: JSON
    id: str | None = None
    media_type: str | None = None
    prompt: str | None = None
    group: str | None = None
    task: str | None = None
    media: Mapping[str, Media] | None = None

    @classmethod
    def of(cls, item: "Item | Mapping[str, Any]") -> "Item":
        """Return an item as it is, or read one from a mapping; raise `BadCall` if that fails.

        >>> Item.of({"kind": "math", "response": "4", "ground_truth": "4"}).group is None
        True
        """
        if isinstance(item, Item):
            return item
        try:
            read = cls(**item)
        except TypeError:
            raise BadCall(
                f"expected an item with kind, response, ground_truth and maybe "
                f"{', '.join(cls.__slots__[3:])}; got {', '.join(map(str, item))}"
            ) from None
        if read.media is None:
            return read
        media = {role: Media.of(content) for role, content in read.media.items()}
        return cls(**{**item, "media": media})

    def encode(self, position: int) -> bytes:
        """Write the item as JSON; `position` becomes its id if it has none.

        Lone surrogates, which UTF-8 cannot hold, become question marks.
        """
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "media"}
        fields["id"] = str(position) if self.id is None else self.id
        if self.media is not None:
            fields["media"] = {role: media.reference() for role, media in self.media.items()}
        present = {name: value for name, value in fields.items() if value is not None}
        return encode(present | {"ground_truth": self.ground_truth}, f"item {fields['id']!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a request says of all its items.

    With `scale` "ema" every result has a scaled reward too: divided by its task's deviation as it
    stood before `step` of `run`. Every item then needs an `id` of its own and a `group`.
    """

    spec: str | None = None
    run: str | None = None
    step: int | None = None
    scale: str | None = None
    deadline_ms: int | None = None

    def check(self, items: Sequence[Item]) -> None:
        """Raise `BadCall` unless scaled rewards have something to be folded by."""
        if self.scale is None:
            return
        if self.run is None or self.step is None:
            raise BadCall("scale: expected a run and a step to scale by")
        if any(item.id is None or item.group is None for item in items):
            raise BadCall("scale: expected an id and a group of every item")

    def encode(self, left_ms: int) -> bytes:
        """Write the request's fields but for its items, with what is left of the deadline."""
        fields = {name: getattr(self, name) for name in ("spec", "run", "step", "scale")}
        if self.deadline_ms is not None:
            fields["deadline_ms"] = max(1, left_ms)
        present = {name: value for name, value in fields.items() if value is not None}
        return encode(present, "the request")
