"""A process that decodes what strangers sent: one task a line on stdin, one answer on stdout.

It holds no state, and may be killed at any time. Not covered: it is not confined beyond its
limits of memory and of file size; a decoder that is taken over has the rights of the service.
"""

import json
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.media.images import decode_image, describe_image
from service.media.limits import Decoded, Description, Excessive, MediaLimits, Unusable
from service.media.videos import container_of, decode_clip, describe_video


def describe(path: Path, limits: MediaLimits) -> Description:
    """Say what a file is; raises `Unusable` or `Excessive`."""
    is_video = container_of(path) is not None
    return describe_video(path, limits) if is_video else describe_image(path, limits)


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Do one task: `describe`, `image` or `clip`; what is wrong with the file is an answer too."""
    path, limits = Path(task["path"]), MediaLimits(**task["limits"])
    works: dict[str, Callable[[], Description | Decoded]] = {
        "describe": lambda: describe(path, limits),
        "image": lambda: decode_image(path, Path(task["out"]), limits),
        "clip": lambda: decode_clip(path, Path(task["out"]), limits, fps=task["fps"]),
    }
    try:
        return {"done": asdict(works[task["work"]]())}
    except FileNotFoundError:
        return {"missing": True}
    except Unusable as error:
        return {"unusable": str(error)}
    except Excessive as error:
        return {"excessive": str(error)}
    except MemoryError:
        return {"excessive": "expected content that fits into the decoder's memory"}


def main() -> None:
    """Answer until stdin ends; the first argument is the most bytes of memory to take."""
    memory_bytes = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
