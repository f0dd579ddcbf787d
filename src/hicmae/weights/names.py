"""The names that parameters have in the public implementation, and here."""

# The public implementation's names, then ours. A name is translated piece by piece, so the order
# of the rows matters: a longer prefix stands before a shorter one that begins it.
_MODULE_NAMES = (
    ("encoder_to_decoder_audio.", "audio_decoder.projection."),
    ("encoder_to_decoder.", "video_decoder.projection."),
    ("encoder_fusion.blocks_audio.", "fusion_encoder.audio_blocks."),
    ("encoder_fusion.blocks.", "fusion_encoder.video_blocks."),
    ("encoder_fusion.norm_audio.", "fusion_encoder.audio_norm."),
    ("encoder_fusion.norm.", "fusion_encoder.video_norm."),
    ("encoder_audio.", "audio_encoder."),
    ("encoder.", "video_encoder."),
    ("decoder_audio.", "audio_decoder."),
    ("decoder.", "video_decoder."),
    ("mask_token_audio", "audio_decoder.mask_token"),
    ("mask_token", "video_decoder.mask_token"),
    ("fc_norm.", "head_norm."),
)
_LAYER_NAMES = (
    (".patch_embed.proj.", ".embedding.projection."),
    (".cross_attn.q.", ".cross_attention.query."),
    (".cross_attn.kv.", ".cross_attention.key_value."),
    (".cross_attn.q_bias", ".cross_attention.query_bias"),
    (".cross_attn.v_bias", ".cross_attention.value_bias"),
    (".cross_attn.proj.", ".cross_attention.projection."),
    (".attn.qkv.", ".attention.qkv."),
    (".attn.q_bias", ".attention.query_bias"),
    (".attn.v_bias", ".attention.value_bias"),
    (".attn.proj.", ".attention.projection."),
    (".cross_norm1.", ".query_norm."),
    (".cross_norm2.", ".context_norm."),
    (".norm1.", ".attention_norm."),
    (".norm2.", ".mlp_norm."),
)


def our_name(name: str) -> str:
    """The name that a parameter of the public implementation has here; other names stay."""
    for theirs, ours in _MODULE_NAMES:
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
            break
    for theirs, ours in _LAYER_NAMES:
        name = name.replace(theirs, ours)
    return name


def their_name(name: str) -> str:
    """The name that a parameter of ours has in the public implementation; undoes `our_name`."""
    # Here the longer of our prefixes must come first, which is another order of the rows.
    for theirs, ours in sorted(_MODULE_NAMES, key=lambda row: -len(row[1])):
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            break
    for theirs, ours in _LAYER_NAMES:
        name = name.replace(ours, theirs)
    return name
