"""SAM 2 from Meta's `sam2` package, for its `.pt` checkpoints."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from rewards.backends.sam2.network import Decoded, Features, PromptTensors, Tensor
from rewards.errors import BadModel

CONFIGS = {
    f"sam{release}_hiera_{size}": f"configs/sam{release}/sam{release}_hiera_{letter}.yaml"
    for release in ("2", "2.1")
    for size, letter in (("tiny", "t"), ("small", "s"), ("base_plus", "b+"), ("large", "l"))
}
# As the video predictor sets it: what was clicked is remembered as it was seen.
OVERRIDES = ["++model.binarize_mask_from_pts_for_mem_enc=true"]


def load_native(path: Path, *, device: str, precision: str) -> "NativeNetwork":
    """Load a checkpoint named as Meta names it; pickled code in it is refused.

    Raises `BadModel` for an unknown name or a file that holds anything but these weights.
    """
    from sam2.build_sam import build_sam2

    config = CONFIGS.get(path.stem)
    if config is None:
        raise BadModel(f"expected a checkpoint named {', '.join(CONFIGS)}; got {path.stem!r}")
    try:
        # It reads with `weights_only=True`, and answers a wrong set of names without a word.
        model = build_sam2(config, str(path), device=device, hydra_overrides_extra=OVERRIDES)
    except (OSError, RuntimeError, KeyError, UnpicklingError) as error:
        raise BadModel(f"expected the weights of {path.stem} in {path}: {error!r}") from error
    return NativeNetwork(model, dtype=getattr(torch, precision))


class NativeNetwork:
    """The layers of a `SAM2Base`, driven one step at a time as its predictors drive them.

    Holes in masks are not filled: that needs a CUDA kernel which not every build has.
    """

    def __init__(self, model: Tensor, *, dtype: Tensor = torch.float32) -> None:
        self._model = model.eval()
        self._dtype = dtype
        coarse = self.side_px // model.backbone_stride
        self._sizes = [(coarse * scale, coarse * scale) for scale in (4, 2, 1)]
        like = torch.zeros(1, model.hidden_dim, coarse, coarse, device=self.device)
        self._position = _flat(model.image_encoder.neck.position_encoding(like))

    @property
    def side_px(self) -> int:
        """Height and width of the network's input."""
        return int(self._model.image_size)

    @property
    def device(self) -> Tensor:
        """Where the weights are."""
        return self._model.device

    @property
    def dtype(self) -> Tensor:
        """What the network computes in."""
        return self._dtype

    def encode(self, frames: Tensor) -> list[Features]:
        """Embed normalised frames, shape `(frames, 3, side_px, side_px)`."""
        with self._precision():
            maps = self._model.forward_image(frames)["backbone_fpn"]
        return [Features(tuple(level[i : i + 1] for level in maps)) for i in range(len(frames))]

    def decode(self, features: Features, prompts: PromptTensors) -> Decoded:
        """Draw one mask for each prompt on one frame."""
        model = self._model
        *fine, coarse = features.maps
        with self._precision():
            sparse, dense = model.sam_prompt_encoder(
                points=(prompts.points, prompts.labels), boxes=None, masks=None
            )
            logits, iou, _, _ = model.sam_mask_decoder(
                image_embeddings=coarse + model.no_mem_embed.view(1, -1, 1, 1),
                image_pe=model.sam_prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=False,
                repeat_image=True,
                high_res_features=fine,
            )
        return Decoded(logits, iou[:, 0])

    def track(
        self, clip: Sequence[Features], prompt: PromptTensors, keyframe: int, reach: range
    ) -> Iterator[tuple[int, Tensor]]:
        """Track one prompt on from its keyframe to the end of `reach`, then back to its start.

        Yields the frames of `reach`, the keyframe among them, each once, with mask logits of
        shape `(1, 1, side, side)`.
        """
        memory: dict[str, dict[int, Any]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
        clicks = {"point_coords": prompt.points, "point_labels": prompt.labels}
        on = [(index, False) for index in range(keyframe, reach.stop)]
        back = [(index, True) for index in range(keyframe - 1, reach.start - 1, -1)]
        place_encoding = None
        for index, reverse in on + back:
            at_keyframe = index == keyframe
            with self._precision():
                step = self._model.track_step(
                    frame_idx=index,
                    is_init_cond_frame=at_keyframe,
                    current_vision_feats=[_flat(level) for level in clip[index].maps],
                    current_vision_pos_embeds=[self._position],
                    feat_sizes=self._sizes,
                    point_inputs=clicks if at_keyframe else None,
                    mask_inputs=None,
                    output_dict=memory,
                    num_frames=len(clip),
                    track_in_reverse=reverse,
                )
            place_encoding = place_encoding or step["maskmem_pos_enc"]
            kind = "cond_frame_outputs" if at_keyframe else "non_cond_frame_outputs"
            memory[kind][index] = {
                # Rounded as the video predictor rounds it.
                "maskmem_features": step["maskmem_features"].bfloat16().to(self._dtype),
                "maskmem_pos_enc": place_encoding,
                "obj_ptr": step["obj_ptr"],
            }
            yield index, step["pred_masks"]

    def _precision(self) -> Any:
        half = self._dtype is not torch.float32
        return torch.autocast(self.device.type, dtype=self._dtype, enabled=half)


def _flat(level: Tensor) -> Tensor:
    """Lay a map of shape `(1, channels, side, side)` out as `(side * side, 1, channels)`."""
    return level.flatten(2).permute(2, 0, 1)
