"""The names that one SAM 2 network has in `transformers`, turned into those of `sam2`."""

import re

RENAMES = (
    (r"^no_memory_embedding$", "no_mem_embed"),
    (r"^no_memory_positional_encoding$", "no_mem_pos_enc"),
    (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
    (r"^no_object_pointer$", "no_obj_ptr"),
    (r"^occlusion_spatial_embedding_parameter$", "no_obj_embed_spatial"),
    (r"^temporal_positional_encoding_projection_layer\.", "obj_ptr_tpos_proj."),
    (r"^object_pointer_proj\.", "obj_ptr_proj."),
    (
        r"^shared_image_embedding\.positional_embedding$",
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
    (r"patch_embed\.projection\.", "patch_embed.proj."),
    (r"^vision_encoder\.neck\.convs\.(\d)\.", r"image_encoder.neck.convs.\1.conv."),
    (r"^prompt_encoder\.", "sam_prompt_encoder."),
    (r"mask_embed\.conv1\.", "mask_downscaling.0."),
    (r"mask_embed\.layer_norm1\.", "mask_downscaling.1."),
    (r"mask_embed\.conv2\.", "mask_downscaling.3."),
    (r"mask_embed\.layer_norm2\.", "mask_downscaling.4."),
    (r"mask_embed\.conv3\.", "mask_downscaling.6."),
    (r"^mask_decoder\.", "sam_mask_decoder."),
    (r"upscale_conv1\.", "output_upscaling.0."),
    (r"upscale_layer_norm\.", "output_upscaling.1."),
    (r"upscale_conv2\.", "output_upscaling.3."),
    (r"layer_norm_final_attn\.", "norm_final_attn."),
    (r"\.o_proj\.", ".out_proj."),
    (r"(trunk\..*|transformer\..*)mlp\.proj_in\.", r"\1mlp.layers.0."),
    (r"(trunk\..*|transformer\..*)mlp\.proj_out\.", r"\1mlp.layers.1."),
    (
        r"(hypernetworks_mlps\.\d|prediction_head|score_head|obj_ptr_proj)\.layers\.0\.",
        r"\1.layers.1.",
    ),
    (
        r"(hypernetworks_mlps\.\d|prediction_head|score_head|obj_ptr_proj)\.proj_in\.",
        r"\1.layers.0.",
    ),
    (
        r"(hypernetworks_mlps\.\d|prediction_head|score_head|obj_ptr_proj)\.proj_out\.",
        r"\1.layers.2.",
    ),
    (r"mask_downsampler\.final_conv\.", "mask_downsampler.encoder.12."),
    (r"^memory_encoder\.feature_projection\.", "memory_encoder.pix_feat_proj."),
    (r"^memory_encoder\.projection\.", "memory_encoder.out_proj."),
    (r"memory_fuser\.layers\.(\d)\.scale$", r"fuser.layers.\1.gamma"),
    (r"memory_fuser\.layers\.(\d)\.depthwise_conv\.", r"fuser.layers.\1.dwconv."),
    (r"memory_fuser\.layers\.(\d)\.pointwise_conv(\d)\.", r"fuser.layers.\1.pwconv\2."),
    (r"memory_fuser\.layers\.(\d)\.layer_norm\.", r"fuser.layers.\1.norm."),
    (r"(?<!\w)layer_norm(\d?)\.", r"norm\1."),
)


def native_weights(weights):
    """Rename a `sam2_video` state dict; the point embeddings are stored one by one."""
    renamed = {}
    for name, tensor in weights.items():
        if name == "prompt_encoder.shared_embedding.positional_embedding":
            continue  # the same numbers as the shared one
        if name == "prompt_encoder.point_embed.weight":
            for label, row in enumerate(tensor):
                renamed[f"sam_prompt_encoder.point_embeddings.{label}.weight"] = row[None]
            continue
        renamed[_native(name)] = tensor
    return renamed


def _native(name):
    stage = re.search(r"mask_downsampler\.layers\.(\d)\.(conv|layer_norm)\.", name)
    if stage:
        place = 3 * int(stage[1]) + (stage[2] == "layer_norm")
        return name.replace(stage[0], f"mask_downsampler.encoder.{place}.")
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name
