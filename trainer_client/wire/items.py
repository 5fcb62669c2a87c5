"""What is sent: rollouts and the media they name."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer_client.errors import BadCall
from trainer_client.wire.text import encode

JSON = str | int | float | bool | None | Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Media:
    """An image or a video by content hash, with its bytes at hand if they may be uploaded."""

    sha256: str
    source: bytes | Path | None = field(default=None, repr=False)

    @classmethod
    def of(cls, content: "Media | Mapping[str, str] | bytes | str | os.PathLike[str]") -> "Media":
        """Read a hash reference, bytes, or the path of a file.

        >>> Media.of(b"pixels").sha256[:12]
        '6ec9c2b0eb14'
        """
        if isinstance(content, Media):
            return content
        if isinstance(content, Mapping):
            return cls(content["sha256"])
        source = content if isinstance(content, bytes) else Path(content)
        return cls(hashlib.sha256(_bytes(source)).hexdigest(), source)

    def read(self) -> bytes | None:
        """Return the bytes, or `None` where only the hash is known."""
        return None if self.source is None else _bytes(self.source)


def _bytes(source: bytes | Path) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


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
            fields["media"] = {role: {"sha256": m.sha256} for role, m in self.media.items()}
        present = {name: value for name, value in fields.items() if value is not None}
        return encode(present | {"ground_truth": self.ground_truth}, f"item {fields['id']!r}")
