"""SAM 2 from `transformers`: safetensors checkpoints, no torchvision, no processor."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from transformers import Sam2VideoInferenceSession, Sam2VideoModel
from transformers.utils.logging import disable_progress_bar

from rewards.backends.sam2.network import Decoded, Features, PromptTensors, Tensor
from rewards.errors import BadModel


def load_transformers(path: Path, *, device: str, precision: str) -> "TransformersNetwork":
    """Load the local checkpoint of a `sam2_video` model, config.json beside safetensors.

    Raises `BadModel` for files that are missing, of another model, or not all of it.
    """
    disable_progress_bar()
    try:
        kind = json.loads((path / "config.json").read_text()).get("model_type")
        if kind != "sam2_video":
            raise BadModel(f"expected a checkpoint of type 'sam2_video' in {path}; got {kind!r}")
        model, loading = Sam2VideoModel.from_pretrained(
            path,
            dtype=getattr(torch, precision),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise BadModel(f"expected a SAM 2 checkpoint in {path}: {error}") from error
    # Whatever is missing would be random, and every reward with it.
    if missing := sorted(loading["missing_keys"]):
        raise BadModel(f"expected all weights in {path}; {len(missing)} missing: {missing[:3]}")
    return TransformersNetwork(model.to(device).eval())


class TransformersNetwork:
    """The layers of a `Sam2VideoModel`, which serve images and clips alike."""

    def __init__(self, model: Tensor) -> None:
        self._model = model
        self._sides = [height for height, _ in model.backbone_feature_sizes]
        self._position = self._position_of_features()
        # Of the size alone as well, and asked for by every mask.
        self._place = model.get_image_wide_positional_embeddings()

    @property
    def side_px(self) -> int:
        """Height and width of the network's input."""
        return int(self._model.prompt_encoder.input_image_size)

    @property
    def device(self) -> Tensor:
        """Where the weights are."""
        return self._model.device

    @property
    def dtype(self) -> Tensor:
        """What the network computes in."""
        return self._model.dtype

    def _position_of_features(self) -> Tensor:
        # It depends on the size alone, so one copy serves every frame of every clip.
        side, channels = self._sides[-1], self._model.hidden_dim
        encode = self._model.vision_encoder.neck.position_encoding
        shape = torch.Size((1, channels, side, side))
        return _flat(encode(shape, self.device, self.dtype))

    def encode(self, frames: Tensor) -> list[Features]:
        """Embed normalised frames, shape `(frames, 3, side_px, side_px)`."""
        flat = self._model.get_image_features(frames, return_dict=True).fpn_hidden_states
        maps = [
            level.permute(1, 2, 0).unflatten(2, (side, side))
            for level, side in zip(flat, self._sides, strict=True)
        ]
        return [Features(tuple(level[i : i + 1] for level in maps)) for i in range(len(frames))]

    def decode(self, features: Features, prompts: PromptTensors) -> Decoded:
        """Draw one mask for each prompt on one frame."""
        model = self._model
        *fine, coarse = features.maps
        sparse, dense = model.get_prompt_embeddings(
            input_points=prompts.points[None], input_labels=prompts.labels[None]
        )
        logits, iou, _, _ = model.mask_decoder(
            image_embeddings=coarse + model.no_memory_embedding.view(1, -1, 1, 1),
            image_positional_embeddings=self._place,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
            high_resolution_features=fine,
        )
        return Decoded(logits[0], iou[0, :, 0])

    def track(
        self, clip: Sequence[Features], prompt: PromptTensors, keyframe: int, reach: range
    ) -> Iterator[tuple[int, Tensor]]:
        """Track one prompt on from its keyframe to the end of `reach`, then back to its start.

        Yields the frames of `reach`, the keyframe among them, each once, with mask logits of
        shape `(1, 1, side, side)`.
        """
        session = self._session(clip)
        session.obj_id_to_idx(1)
        session.add_point_inputs(
            0,
            keyframe,
            {"point_coords": prompt.points[None], "point_labels": prompt.labels[None]},
        )
        session.obj_with_new_inputs = [1]
        kept = session.output_dict_per_obj[0]
        for back, beyond in ((False, reach.stop - 1 - keyframe), (True, keyframe - reach.start)):
            for output in self._model.propagate_in_video_iterator(
                session, keyframe, max_frame_num_to_track=beyond, reverse=back
            ):
                if back and output.frame_idx == keyframe:
                    continue
                yield output.frame_idx, output.pred_masks
                # Only the memory and the pointer are read again; the masks are large.
                kept["non_cond_frame_outputs"].get(output.frame_idx, {}).pop("high_res_masks", None)

    def _session(self, clip: Sequence[Features]) -> Tensor:
        session = Sam2VideoInferenceSession(
            video=torch.empty(len(clip), 0),
            inference_device=self.device,
            inference_state_device=self.device,
            dtype=self.dtype,
            max_vision_features_cache_size=len(clip),
        )
        for index, features in enumerate(clip):
            flat = [_flat(level) for level in features.maps]
            session.cache.cache_vision_features(
                index, {"vision_feats": flat, "vision_pos_embeds": [self._position]}
            )
        return session


def _flat(level: Tensor) -> Tensor:
    """Lay a map of shape `(1, channels, side, side)` out as `(side * side, 1, channels)`."""
    return level.flatten(2).permute(2, 0, 1)
