"""A SAM 2 of 8 million random weights, small enough for every test, with real layers throughout."""

import torch
from transformers import Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig, Sam2VisionConfig

SIDE_PX = 256
SIZES = ([64, 64], [32, 32], [16, 16])


def tiny_config():
    """Return the configuration: 256 px input, four stages of one or two blocks."""
    backbone = Sam2HieraDetConfig(
        hidden_size=24,
        embed_dim_per_stage=[24, 48, 96, 192],
        blocks_per_stage=[1, 1, 2, 1],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        global_attention_blocks=[3],
        window_size_per_stage=[8, 4, 8, 8],
        image_size=[SIDE_PX, SIDE_PX],
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[192, 96, 48, 24],
        backbone_feature_sizes=list(SIZES),
    )
    return Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"image_size": SIDE_PX},
        image_size=SIDE_PX,
        memory_attention_rope_feat_sizes=[16, 16],
        memory_attention_num_layers=1,
    )


def save_tiny_sam2(path, *, seed=2):
    """Write a checkpoint whose masks depend on the prompt and whose object is always seen."""
    torch.manual_seed(seed)
    model = Sam2VideoModel(tiny_config())
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.abs().max() == 0:
                parameter.normal_(std=0.02)
        for embedding in (model.prompt_encoder.point_embed, model.mask_decoder.mask_tokens):
            embedding.weight.normal_(std=2.0)
        place = model.shared_image_embedding.positional_embedding
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(place)
        # Random weights mostly say that there is no object, and every mask is empty.
        seen = model.mask_decoder.pred_obj_score_head
        for parameter in seen.parameters():
            parameter.zero_()
        seen.proj_out.bias.fill_(5.0)
    model.save_pretrained(path)
    return path
