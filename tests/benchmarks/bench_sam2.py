"""What a mask reward costs a rollout: SAM 2 run anew for each, as the paper feared, and ours.

Run as `python -m tests.benchmarks.bench_sam2`. Both ways use the same random weights, of the size
of sam2.1-hiera-tiny at 1024x1024 (or hiera-large), in one process and in turns. The naive way is
transformers' own model, called for each rollout; the masks of both are compared. It knows nothing
of the group, so of a large one only some rollouts are run: each costs as much as the next.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from rich.console import Console
from rich.table import Table
from skimage import data
from transformers import (
    Sam2Config,
    Sam2Model,
    Sam2VideoConfig,
    Sam2VideoInferenceSession,
    Sam2VideoModel,
)

from rewards.backends.sam2.model import Sam2MaskModel
from rewards.backends.sam2.pixels import draw, normalise, place
from rewards.backends.sam2.transformers_network import TransformersNetwork
from rewards.ports import Clip, MaskPrompt, Picture
from tests.coins import box_of, masks
from tests.rewards.backends.sam2.scenes import pan
from tests.tiny_sam2 import tiny_config

OUTPUT = Path("build/bench/sam2.json")
CACHE_BYTES = 2**33
GROUP = 8
STAGES = ("encode", "decode", "track")
LARGE = {
    "hidden_size": 144,
    "embed_dim_per_stage": [144, 288, 576, 1152],
    "blocks_per_stage": [2, 6, 36, 4],
    "num_attention_heads_per_stage": [2, 4, 8, 16],
    "global_attention_blocks": [23, 33, 43],
    "window_size_per_stage": [8, 4, 16, 8],
    "window_positional_embedding_background_size": [7, 7],
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds a rollout, frames that went through the encoder, and where our seconds went.

    `naive_s` and `naive_encodes` are of `naive_rollouts`; `stages_s` is of our whole cold group.
    """

    naive_s: float
    cold_s: float
    warm_s: float
    naive_rollouts: int
    naive_encodes: int
    encodes: int
    stages_s: dict[str, float]

    @property
    def naive_over_ours(self) -> float:
        """How many times cheaper a rollout is, the embedding included."""
        return self.naive_s / self.cold_s


class Bench:
    """One network behind both ways; `encodes` counts the frames that its image encoder got."""

    def __init__(self, config: Sam2VideoConfig, device: str, at_once: int) -> None:
        torch.manual_seed(0)
        video = Sam2VideoModel(config).to(device).eval()
        with torch.no_grad():
            place_of = video.shared_image_embedding.positional_embedding
            video.prompt_encoder.shared_embedding.positional_embedding.copy_(place_of)
        image = Sam2Model(
            Sam2Config(
                vision_config=config.vision_config,
                prompt_encoder_config=config.prompt_encoder_config.to_dict(),
                mask_decoder_config=config.mask_decoder_config.to_dict(),
            )
        )
        image.load_state_dict(video.state_dict(), strict=False)
        self.image, self.video = image.to(device).eval(), video
        self.network = TransformersNetwork(video)
        self.encodes = 0
        for model in (self.image, self.video):
            model.vision_encoder.register_forward_pre_hook(self._count, with_kwargs=True)
        self.at_once = at_once
        self.parameters = sum(weight.numel() for weight in video.parameters())

    def _count(self, _encoder: torch.nn.Module, given: tuple, named: dict) -> None:
        self.encodes += len(given[0] if given else named["pixel_values"])

    def ours(self) -> Sam2MaskModel:
        """A mask model that has embedded nothing yet."""
        return Sam2MaskModel(
            lambda: self.network,
            name="bench",
            cache_bytes=CACHE_BYTES,
            frames_at_once=self.at_once,
            prompts_at_once=self.at_once,
        )

    @torch.inference_mode()
    def naive_image(self, pixels: np.ndarray, prompt: MaskPrompt) -> np.ndarray:
        """Embed the picture and draw one mask, as the model's documentation shows."""
        net = self.network
        tensors = place([prompt], net.side_px, net.device)
        output = self.image(
            normalise([pixels], net.side_px, net.device, net.dtype),
            input_points=tensors.points[None, :, 2:],
            input_labels=tensors.labels[None, :, 2:],
            input_boxes=tensors.points[:, :2].reshape(1, 1, 4),
            multimask_output=False,
        )
        return draw(output.pred_masks[0], *pixels.shape[:2])

    @torch.inference_mode()
    def naive_clip(self, pixels: np.ndarray, prompt: MaskPrompt) -> np.ndarray:
        """Track one prompt in a session of its own, forward and back."""
        net = self.network
        session = Sam2VideoInferenceSession(
            video=normalise(pixels, net.side_px, net.device, net.dtype),
            inference_device=net.device,
            inference_state_device=net.device,
            video_storage_device=net.device,
            dtype=net.dtype,
        )
        tensors = place([prompt], net.side_px, net.device)
        session.obj_id_to_idx(1)
        clicks = {"point_coords": tensors.points[None], "point_labels": tensors.labels[None]}
        session.add_point_inputs(0, prompt.keyframe, clicks)
        session.obj_with_new_inputs = [1]
        drawn = {
            output.frame_idx: draw(output.pred_masks, *pixels.shape[1:3])
            for back in (False, True)
            for output in self.video.propagate_in_video_iterator(
                session, start_frame_idx=prompt.keyframe, reverse=back
            )
        }
        return np.stack([drawn[index] for index in range(len(pixels))])


def prompts_for(count: int, frames: int) -> list[MaskPrompt]:
    """Answers of a group about one coin: no two alike, three points on each side."""
    box = box_of(masks()[2])
    source = np.random.default_rng(1)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)

    def near(point: tuple[float, float]) -> tuple[float, float]:
        x, y = np.clip(np.array(point) + source.normal(0, 15, 2), 0, 1000)
        return float(x), float(y)

    return [
        MaskPrompt(
            (*near((box[0], box[1])), *near((box[2], box[3]))),
            tuple(near(middle) for _ in range(3)),
            tuple(near((500, 500)) for _ in range(3)),
            index % frames,
        )
        for index in range(count)
    ]


async def timed(work: Callable[[], Awaitable[list]]) -> tuple[float, list]:
    """Seconds, and what came of it."""
    began = time.perf_counter()
    result = await work()
    return time.perf_counter() - began, result


async def measure(
    bench: Bench, pixels: np.ndarray, group: int, *, rounds: int = 1, naive: int = 8
) -> Cost:
    """One group on one picture `(height, width, 3)` or clip `(frames, height, width, 3)`."""
    is_clip = pixels.ndim == 4
    frames = len(pixels) if is_clip else 1
    prompts = prompts_for(group, frames)
    one = bench.naive_clip if is_clip else bench.naive_image
    naive = min(naive, group)

    async def read() -> np.ndarray:
        return pixels

    async def naively() -> list:
        return [one(pixels, prompt) for prompt in prompts[:naive]]

    seconds: dict[str, list[float]] = {"naive_s": [], "cold_s": [], "warm_s": []}
    for _ in range(rounds):
        model = bench.ours()
        await model.start()

        async def ours(model: Sam2MaskModel = model) -> list:
            if is_clip:
                times_s = tuple(map(float, range(frames)))
                clip = Clip("clip", *pixels.shape[1:3], times_s, read)
                return await model.track_clip(clip, prompts, range(frames))
            return await model.segment_image(Picture("image", *pixels.shape[:2], read), prompts)

        bench.encodes = 0
        naive_s, expected = await timed(naively)
        naive_encodes, bench.encodes = bench.encodes, 0
        cold_s, drawn = await timed(ours)
        spent = model.usage()
        warm_s, _ = await timed(ours)
        seconds["naive_s"].append(naive_s / naive)
        seconds["cold_s"].append(cold_s / group)
        seconds["warm_s"].append(warm_s / group)
        await model.close()
        check(drawn[:naive], expected)
        assert bench.encodes == frames, f"{bench.encodes} encodings of {frames} frames"
    return Cost(
        **{way: round(statistics.median(values), 4) for way, values in seconds.items()},
        naive_rollouts=naive,
        naive_encodes=naive_encodes,
        encodes=bench.encodes,
        stages_s={stage: round(spent[f"{stage}_seconds"], 3) for stage in STAGES},
    )


def check(drawn: list, expected: list) -> None:
    """Both ways must draw the same masks, but for pixels that rounding decides."""
    for ours, theirs in zip(drawn, expected, strict=True):
        agree = float((ours.masks.reshape(theirs.shape) == theirs).mean())
        assert agree > 0.99, f"the masks agree on {agree:.4f} of the pixels only"


def configured(size: str) -> Sam2VideoConfig:
    """The sizes of the published models, and the one of the tests."""
    if size == "test":
        return tiny_config()
    config = Sam2VideoConfig()
    if size == "large":
        vision = config.vision_config.to_dict()
        vision["backbone_config"] |= LARGE
        vision["backbone_channel_list"] = [1152, 576, 288, 144]
        config = Sam2VideoConfig(vision_config=vision)
    return config


async def measure_all(bench: Bench, arguments: argparse.Namespace) -> dict[str, dict]:
    """How the cost of a rollout grows with the group and with the frames."""
    picture = np.stack([data.coins()] * 3, axis=-1)
    film = pan(max([arguments.clip_frames, *arguments.frames]))
    rounds, few = arguments.rounds, arguments.naive_clips
    images, groups, lengths = {}, {}, {}
    for group in arguments.groups:
        # The number that is compared with a target is a median.
        often = max(rounds, 3) if group == GROUP else rounds
        images[group] = await measure(bench, picture, group, rounds=often)
    for group in arguments.clip_groups:
        clip = film[: arguments.clip_frames]
        groups[group] = await measure(bench, clip, group, rounds=rounds, naive=few)
    for frames in arguments.frames:
        lengths[frames] = await measure(bench, film[:frames], 2, rounds=rounds, naive=few)
    return {"image by group": images, "clip by group": groups, "clip by frames": lengths}


def show(tables: dict[str, dict], title: str) -> None:
    """Print what was measured."""
    console = Console(width=130)
    console.print(title)
    for name, rows in tables.items():
        table = Table(
            name, "run naively", "naive s", "cold s", "warm s", "naive / cold", "encodes", *STAGES
        )
        for key, cost in rows.items():
            cells = (cost.naive_s, cost.cold_s, cost.warm_s)
            ratio, encodes = f"{cost.naive_over_ours:.1f}", f"{cost.naive_encodes} → {cost.encodes}"
            spent = (f"{seconds:.1f}" for seconds in cost.stages_s.values())
            shown = (f"{cell:.3f}" for cell in cells)
            table.add_row(str(key), str(cost.naive_rollouts), *shown, ratio, encodes, *spent)
        console.print(table)


def read_arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=("test", "tiny", "large"), default="tiny")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--groups", type=int, nargs="*", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--clip-groups", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--clip-frames", type=int, default=4)
    parser.add_argument("--frames", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--naive-clips", type=int, default=1, help="rollouts of a clip run naively")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser.parse_args()


def main() -> None:
    """Measure, print and write."""
    arguments, load = read_arguments(), os.getloadavg()[0]
    at_once = 8 if arguments.device.startswith("cuda") else 1
    bench = Bench(configured(arguments.size), arguments.device, at_once)
    tables = asyncio.run(measure_all(bench, arguments))
    threads = torch.get_num_threads()
    show(
        tables,
        f"SAM 2 {arguments.size}, {bench.parameters / 1e6:.1f} M random weights, "
        f"{bench.network.side_px} px, {arguments.device}, {threads} threads, load {load:.1f}",
    )
    image, clip = tables["image by group"].get(GROUP), tables["clip by group"].get(GROUP)
    report = {
        "naive_over_ours_image_group8": image and round(image.naive_over_ours, 2),
        "naive_over_ours_clip_group8": clip and round(clip.naive_over_ours, 2),
        "encodes_per_image": image and image.encodes,
        "encodes_per_frame": clip and clip.encodes / arguments.clip_frames,
        "seconds_per_rollout": {
            name: {str(key): asdict(cost) for key, cost in rows.items()}
            for name, rows in tables.items()
        },
        "size": arguments.size,
        "parameters": bench.parameters,
        "side_px": bench.network.side_px,
        "clip_frames": arguments.clip_frames,
        "device": arguments.device,
        "threads": threads,
        "rounds": arguments.rounds,
        "load_before": load,
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
