"""The smallest drawing there is, which shows whether a network works."""

import numpy as np

from rewards.backends.sam2.network import Network
from rewards.backends.sam2.pixels import normalise, place
from rewards.ports import MaskPrompt

PROMPT = MaskPrompt((250.0, 250.0, 750.0, 750.0), ((500.0, 500.0),))
BLANK = np.zeros((8, 8, 3), dtype=np.uint8)


def draw_once(network: Network) -> None:
    """Embed a blank picture and draw on it; raises what stands in the way."""
    [features] = network.encode(normalise([BLANK], network.side_px, network.device, network.dtype))
    network.decode(features, place([PROMPT], network.side_px, network.device))
