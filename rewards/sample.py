"""One rollout to be scored, as the library sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON = str | int | float | bool | None | list[Any] | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """A response, the truth it is judged against, and how.

    `kind` is a name or alias of the registry; `ground_truth` is text, or JSON already parsed.
    `group` names the prompt whose rollouts belong together; `prompt` is needed where a reward
    model reads it; `media` maps a role (`image`, `video`) to a content hash.
    """

    kind: str
    response: str
    ground_truth: JSON
    media_type: str | None = None
    prompt: str | None = None
    group: str | None = None
    task: str | None = None
    media: Mapping[str, str] | None = None
