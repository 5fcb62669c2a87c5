"""Run Meta's `sam2` package, in a process of its own: it needs a stand-in for torchvision.

Usage: native_process.py WEIGHTS.safetensors OUT.npz
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from sam2.build_sam import build_sam2, build_sam2_video_predictor

from rewards.backends.sam2.model import Sam2MaskModel
from rewards.backends.sam2.native_network import CONFIGS, OVERRIDES, NativeNetwork, load_native
from rewards.backends.sam2.pixels import place
from rewards.errors import BadModel
from tests.rewards.backends.sam2.native_weights import native_weights
from tests.rewards.backends.sam2.scenes import PROMPTS, clip, pan, picture

CONFIG = CONFIGS["sam2.1_hiera_tiny"]
SMALL = [
    "++model.image_encoder.trunk.embed_dim=24",
    "++model.image_encoder.trunk.stages=[1,1,2,1]",
    "++model.image_encoder.trunk.global_att_blocks=[3]",
    "++model.image_encoder.trunk.window_spec=[8,4,8,8]",
    "++model.image_encoder.neck.backbone_channel_list=[192,96,48,24]",
    "++model.image_size=256",
    "++model.memory_attention.num_layers=1",
    "++model.memory_attention.layer.self_attention.feat_sizes=[16,16]",
    "++model.memory_attention.layer.cross_attention.feat_sizes=[16,16]",
]


async def masks_of_our_backend(model):
    """Draw every prompt on the picture and on the clip."""
    mask_model = Sam2MaskModel(lambda: NativeNetwork(model), name="tiny", cache_bytes=2**28)
    await mask_model.start()
    image = await mask_model.segment_image(picture(), PROMPTS)
    video = await mask_model.track_clip(clip(), PROMPTS, range(5))
    part = await mask_model.track_clip(clip(), PROMPTS, [1, 3])
    await mask_model.close()
    return {
        "image": np.stack([drawn.masks for drawn in image]),
        "image_iou": np.array([drawn.predicted_iou for drawn in image]),
        "video": np.stack([drawn.masks for drawn in video]),
        "part": np.stack([drawn.masks for drawn in part]),
        "video_iou": np.array([drawn.predicted_iou for drawn in video]),
    }


def logits_of_both_trackers(weights):
    """Track one prompt with Meta's own video predictor, and with our loop over its layers.

    Both compute in bfloat16, which the predictor needs, on the very same tensors.
    """
    predictor = build_sam2_video_predictor(
        CONFIG, None, device="cpu", hydra_overrides_extra=[*SMALL, "++model.fill_hole_area=0"]
    )
    predictor.load_state_dict(weights)
    prompt = PROMPTS[3]
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for index, frame in enumerate(pan(3)):
            Image.fromarray(frame).resize((256, 256)).save(f"{folder}/{index}.jpg", quality=95)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            state = predictor.init_state(folder, offload_video_to_cpu=True)
            tensors = place([prompt], 256, "cpu")
            predictor.add_new_points_or_box(
                state,
                prompt.keyframe,
                1,
                points=tensors.points[0, 2:],
                labels=tensors.labels[0, 2:],
                box=tensors.points[0, :2].flatten(),
                normalize_coords=True,
            )
            theirs = {}
            for back in (False, True):
                for index, _, logits in predictor.propagate_in_video(state, reverse=back):
                    theirs[index] = logits[0, 0].float().numpy()
        network = NativeNetwork(predictor, dtype=torch.bfloat16)
        features = [network.encode(frame[None].float())[0] for frame in state["images"]]
        ours = {
            index: torch.nn.functional.interpolate(logits.float(), size=(256, 256), mode="bilinear")
            for index, logits in network.track(features, tensors, prompt.keyframe, range(3))
        }
    frames = sorted(theirs)
    return {
        "predictor": np.stack([theirs[index] for index in frames]),
        "loop": np.stack([ours[index][0, 0].numpy() for index in frames]),
    }


def save_real_size(folder):
    """Write a checkpoint of the real tiny size under Meta's name, and load it by that."""
    path = Path(folder) / "sam2.1_hiera_tiny.pt"
    torch.save({"model": build_sam2(CONFIG, None, device="cpu").state_dict()}, path)
    network = load_native(path, device="cpu", precision="float32")
    return {"side_px": network.side_px}


def refusal(folder, *, name, content):
    """Say which error a checkpoint meets that cannot be used."""
    path = Path(folder) / name
    torch.save(content, path)
    try:
        load_native(path, device="cpu", precision="float32")
    except BadModel as error:
        return f"{type(error).__name__}: {error}"
    return "loaded"


class Hostile:
    """What a pickle could run."""

    def __reduce__(self):
        return os.system, ("touch pwned",)


if __name__ == "__main__":
    weights = native_weights(load_file(sys.argv[1]))
    small = build_sam2(CONFIG, None, device="cpu", hydra_overrides_extra=[*SMALL, *OVERRIDES])
    small.load_state_dict(weights)
    with tempfile.TemporaryDirectory() as folder:
        results = {
            **asyncio.run(masks_of_our_backend(small)),
            **logits_of_both_trackers(weights),
            **save_real_size(folder),
            "hostile": refusal(folder, name="sam2_hiera_tiny.pt", content={"model": Hostile()}),
            "pwned": Path("pwned").exists(),
            "renamed": refusal(folder, name="mine.pt", content={}),
        }
    np.savez(sys.argv[2], **results)
