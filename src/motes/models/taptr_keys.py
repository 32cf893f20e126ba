"""Key names: from official TAPTR checkpoints to the modules of `Taptr`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

RENAMED = (
    (r"^backbone\.0\.body\.", "backbone."),
    (r"^input_proj\.", "project."),
    (r"^transformer\.query_feature_initializer\.", "query_content."),
    (r"^query_between_window_updater\.", "between_windows."),
    (r"^(bbox|class)_embed\.", r"decoder.\1_embed."),
    (r"^transformer\.level_embed$", "encoder.level_code"),
    (r"^transformer\.", ""),
    (r"^encoder\.layers\.(\d+)\.self_attn\.", r"encoder.layers.\1.attention."),
    (r"\.sampling_offsets\.", ".offsets."),
    (r"\.attention_weights\.", ".weights."),
    (r"\.(query|key|value|output)_proj\.", r".\1."),
    (r"\.cross_attn\.", ".cross."),
    (r"\.temp_self_attn\.", ".time."),
    (r"\.self_attn\.", ".points."),
    (r"\.in_proj_", ".input."),
    (r"\.out_proj\.", ".output."),
    (r"^(decoder.*)\.norm1\.", r"\1.norm_cross."),
    (r"^(decoder.*)\.norm2\.", r"\1.norm_points."),
    (r"\.norm_temp\.", ".norm_time."),
    (r"\.norm3\.", ".norm_mlp."),
    (r"\.linear1\.", ".mlp.0."),
    (r"\.linear2\.", ".mlp.2."),
    (r"\.caupdate_weight_normalizer\.", ".cross.update.disentangler."),
    (r"\.caupdate_weight_regressor\.0\.", ".cross.update.disentangler.4."),
    (r"\.(?:ref_point|update_pos_embed)_head\.layers\.", ".place.mlp.layers."),
    (r"\.bbox_embed\.(\d+)\.", r".positions.\1."),
    (r"\.class_embed\.", ".classes."),
    (r"\.layers\.0\.(weight|bias)$", r".0.\1"),
    (r"\.layers\.1\.(weight|bias)$", r".2.\1"),
    (r"\.layers\.2\.(weight|bias)$", r".4.\1"),
    (r"\.ca_update_fuser\.", ".fuse."),
    (r"\.query_updater\.", ".refresh."),
    (r"\.corr_block\.fmap_mappers\.", ".cost_volume.key."),
    (r"\.corr_query_proj\.", ".cost_volume.query."),
    (r"\.layers\.(\d+)\.corr_fuser\.", r".cost_volume.mix.\1."),
)
"""Patterns and replacements, applied in order."""

CONVOLUTIONS = {f"decoder.cost_volume.key.{level}.weight" for level in range(4)}
"""1x1 convolutions in the file, linear layers here."""


def rename_taptr(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys of an official checkpoint to keys of `Taptr`.

    Official files list the heads twice; the entries without the prefix are used.
    """
    renamed = {}
    for name, tensor in tensors.items():
        duplicate = re.match(r"^transformer\.decoder\.((?:bbox|class)_embed\..*)$", name)
        if duplicate is None or duplicate[1] not in tensors:
            ours = rename_key(name)
            renamed[ours] = tensor.flatten(1) if ours in CONVOLUTIONS else tensor
    return renamed


def rename_key(name: str) -> str:
    """Our name for an official one; unknown names are returned unchanged."""
    for pattern, ours in RENAMED:
        name = re.sub(pattern, ours, name)
    return name
