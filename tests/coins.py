"""Real coins: the true mask of each, by threshold, and answers about them."""

import json

import numpy as np
from scipy import ndimage
from skimage import data, filters, measure, segmentation

from rewards.text.masks import RunLengths

MOTE_PX = 500


def masks():
    """Return the masks of the coins in scikit-image's photograph, the largest first."""
    bright = data.coins() > filters.threshold_otsu(data.coins())
    labels = measure.label(segmentation.clear_border(ndimage.binary_fill_holes(bright)))
    coins = [region for region in measure.regionprops(labels) if region.area > MOTE_PX]
    coins.sort(key=lambda region: region.area, reverse=True)
    return [labels == region.label for region in coins]


def truth(mask):
    """Write a mask as a ground truth of the kind `mask`."""
    return {"size": list(mask.shape), "counts": list(RunLengths.of(mask).counts)}


def box_of(mask):
    """Return the smallest box around a mask, on the 0-1000 grid."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    corners = (
        columns[0] / width,
        rows[0] / height,
        (columns[-1] + 1) / width,
        (rows[-1] + 1) / height,
    )
    return [round(1000 * float(corner), 3) for corner in corners]


def response(mask, *, shift=0.0, **changes):
    """Return what a policy writes that means this mask, off by `shift` on the grid."""
    box = [number + shift for number in box_of(mask)]
    middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
    answer = {"boxes": box, "positive_points": [middle], "negative_points": [[1, 1]], **changes}
    return f"<think>the coin</think><answer>{json.dumps(answer)}</answer>"
