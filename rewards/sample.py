"""One rollout to be scored, as the library sees it."""

from dataclasses import dataclass
from typing import Any

from msgspec import Struct

JSON = str | int | float | bool | None | list[Any] | dict[str, Any]

DEFAULT_FPS = 2.0


@dataclass(frozen=True, slots=True)
class Media:
    """The image, the video or the list of frames that an item is about, by content hash.

    `fps` is how often a second a video is sampled, or how far apart listed frames stand.
    """

    image: str | None = None
    video: str | None = None
    frames: tuple[str, ...] = ()
    fps: float = DEFAULT_FPS

    def digests(self) -> tuple[str, ...]:
        """Every content hash it names.

        >>> Media(video="a1", fps=1.0).digests()
        ('a1',)
        """
        return tuple(digest for digest in (self.image, self.video, *self.frames) if digest)


# No cycle leads through a sample, so the collector may leave batches of them alone.
class Sample(Struct, frozen=True, gc=False):
    """A response, the truth it is judged against, and how.

    `kind` is a name or alias of the registry; `ground_truth` is text, or JSON already parsed.
    `group` names the prompt whose rollouts belong together; `prompt` is needed where a reward
    model reads it, `media` where a mask model looks at it.
    """

    kind: str
    response: str
    ground_truth: JSON
    media_type: str | None = None
    prompt: str | None = None
    group: str | None = None
    task: str | None = None
    media: Media | None = None
