"""The baseline of the speed benchmarks: HiCMAE and the recogniser in their plain formulation.

Attention writes out its matrix, everything is embedded before boolean masks pick the visible part,
targets are made of all patches and picked afterwards, and every operation stands by itself. Weights
bear the same names as those of `hicmae.models`, so that `take_weights` can pass them on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from timm.layers import DropPath
from torch import Tensor, nn

from hicmae.media.normalisation import IMAGENET_MEAN, IMAGENET_STD
from hicmae.models import Architecture, Mask
from hicmae.models.layers import NORM_EPSILON, sinusoidal_positions
from hicmae.objectives.reconstruction import EPSILON


def take_weights(plain: nn.Module, model: nn.Module) -> None:
    """Copies the weights of a model into its plain formulation."""
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    plain.load_state_dict(
        {name: value.reshape(shapes[name]) for name, value in model.state_dict().items()}
    )


def flags(mask: Mask) -> Tensor:
    """A boolean mask (B, N), true where masked."""
    count = mask.visible.shape[1] + mask.masked.shape[1]
    empty = torch.zeros(len(mask.masked), count, dtype=torch.bool, device=mask.masked.device)
    return empty.scatter(1, mask.masked, value=True)


def pick(tokens: Tensor, wanted: Tensor) -> Tensor:
    """Tokens (B, N, C) where a boolean mask (B, N) is true, as many of every clip."""
    return tokens[wanted].reshape(len(tokens), -1, tokens.shape[-1])


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Multi-head attention of (B, N, C) over (B, M, C), its matrix (B, H, N, M) written out."""

    def split(tokens: Tensor) -> Tensor:
        return tokens.reshape(*tokens.shape[:2], heads, -1).permute(0, 2, 1, 3)

    query = split(query)
    query = query * query.shape[-1] ** -0.5
    scores = query @ split(key).transpose(-2, -1)
    mixed = scores.softmax(dim=-1) @ split(value)
    return mixed.transpose(1, 2).reshape(len(mixed), mixed.shape[2], -1)


class SelfAttention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(width))
        self.value_bias = nn.Parameter(torch.zeros(width))
        self.projection = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attends among tokens (B, N, C)."""
        query, key, value = self.qkv(tokens).chunk(3, dim=-1)
        mixed = attend(query + self.query_bias, key, value + self.value_bias, self.heads)
        return self.projection(mixed)


class CrossAttention(nn.Module):
    """Multi-head attention of one sequence over another."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(width))
        self.value_bias = nn.Parameter(torch.zeros(width))
        self.projection = nn.Linear(width, width)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Tokens (B, N, C) read context (B, M, C)."""
        query = self.query(tokens) + self.query_bias
        key, value = self.key_value(context).chunk(2, dim=-1)
        return self.projection(attend(query, key, value + self.value_bias, self.heads))


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps tokens (B, N, C) to (B, N, C)."""
        return self.fc2(self.act(self.fc1(tokens)))


class Block(nn.Module):
    """Cross-attention if there is a context to read, self-attention and MLP."""

    def __init__(
        self, width: int, heads: int, mlp_ratio: float, drop_path: float = 0.0, *, crosses: bool
    ) -> None:
        super().__init__()
        if crosses:
            self.query_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
            self.context_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
            self.cross_attention = CrossAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.attention = SelfAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        """Maps tokens (B, N, C), reading context (B, M, C) if there is one, to (B, N, C)."""
        if context is not None:
            read = self.cross_attention(self.query_norm(tokens), self.context_norm(context))
            tokens = tokens + self.drop_path(read)
        tokens = tokens + self.drop_path(self.attention(self.attention_norm(tokens)))
        return tokens + self.drop_path(self.mlp(self.mlp_norm(tokens)))


class Embedding(nn.Module):
    """Patches to tokens by a convolution."""

    def __init__(
        self, convolution: type[nn.Module], channels: int, width: int, *kernel: int
    ) -> None:
        super().__init__()
        self.projection = convolution(channels, width, kernel, stride=kernel)

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeds all patches of an input, as (B, N, C)."""
        return self.projection(inputs).flatten(2).transpose(1, 2)


class Encoder(nn.Module):
    """A transformer over the tokens of one modality."""

    def __init__(self, shape: Architecture, modality: str, drop_path: float = 0.0) -> None:
        super().__init__()
        patch = shape.patch_size
        if modality == "video":
            kernel = (shape.tubelet_size, patch, patch)
            self.embedding = Embedding(nn.Conv3d, 3, shape.width, *kernel)
            count = token_count(shape.video_grid)
        else:
            self.embedding = Embedding(nn.Conv2d, 1, shape.width, patch, patch)
            count = token_count(shape.audio_grid)
        self.register_buffer(
            "positions", sinusoidal_positions(count, shape.width), persistent=False
        )
        self.blocks = nn.ModuleList(
            Block(shape.width, shape.heads, shape.mlp_ratio, float(rate), crosses=False)
            for rate in torch.linspace(0, drop_path, shape.depth)
        )
        self.norm = nn.LayerNorm(shape.width, eps=NORM_EPSILON)

    def forward(self, inputs: Tensor, masked: Tensor | None = None) -> list[Tensor]:
        """The normalised visible tokens (B, M, C) of every layer."""
        tokens = self.embedding(inputs) + self.positions
        if masked is not None:
            tokens = pick(tokens, ~masked)
        layers = []
        for block in self.blocks:
            tokens = block(tokens)
            layers.append(tokens)
        return layers


class FusionEncoder(nn.Module):
    """Each modality reads the other's previous tokens in every layer."""

    def __init__(self, shape: Architecture, drop_path: float = 0.0) -> None:
        super().__init__()
        rates = [float(rate) for rate in torch.linspace(0, drop_path, shape.fusion_depth)]

        def blocks() -> nn.ModuleList:
            return nn.ModuleList(
                Block(shape.width, shape.heads, shape.mlp_ratio, rate, crosses=True)
                for rate in rates
            )

        self.video_blocks = blocks()
        self.audio_blocks = blocks()
        self.video_norm = nn.LayerNorm(shape.width, eps=NORM_EPSILON)
        self.audio_norm = nn.LayerNorm(shape.width, eps=NORM_EPSILON)

    def forward(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Fuses video tokens (B, N, C) and audio tokens (B, M, C)."""
        for video_block, audio_block in zip(self.video_blocks, self.audio_blocks, strict=True):
            video, audio = video_block(video, audio), audio_block(audio, video)
        return self.video_norm(video), self.audio_norm(audio)


class Decoder(nn.Module):
    """Reconstructs the masked patches of one modality."""

    def __init__(self, shape: Architecture, count: int, patch_values: int) -> None:
        super().__init__()
        width = shape.decoder_width
        self.projection = nn.Linear(shape.width, width, bias=False)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("positions", sinusoidal_positions(count, width), persistent=False)
        leading = shape.decoder_depth - len(shape.skip_layers)
        self.blocks = nn.ModuleList(
            Block(width, shape.decoder_heads, shape.mlp_ratio, crosses=layer >= leading)
            for layer in range(shape.decoder_depth)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.head = nn.Linear(width, patch_values)

    def forward(self, tokens: Tensor, skips: list[Tensor], masked: Tensor) -> Tensor:
        """The reconstructed patches (B, K, P)."""
        positions = self.positions.expand(len(tokens), -1, -1)
        visible = pick(positions, ~masked)
        hidden = self.mask_token + pick(positions, masked)
        sequence = torch.cat([self.projection(tokens) + visible, hidden], dim=1)
        contexts = [None] * (len(self.blocks) - len(skips)) + [
            self.projection(skip) + visible for skip in skips
        ]
        for block, context in zip(self.blocks, contexts, strict=True):
            sequence = block(sequence, context)
        return self.head(self.norm(sequence[:, -hidden.shape[1] :]))


class PlainHiCMAE(nn.Module):
    """The pre-training model with its losses."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.shape = shape
        self.video_encoder = Encoder(shape, "video")
        self.audio_encoder = Encoder(shape, "audio")
        self.fusion_encoder = FusionEncoder(shape)
        patch = shape.patch_size**2
        tube = 3 * shape.tubelet_size * patch
        self.video_decoder = Decoder(shape, token_count(shape.video_grid), tube)
        self.audio_decoder = Decoder(shape, token_count(shape.audio_grid), patch)

    def forward(
        self, video: Tensor, audio: Tensor, video_masked: Tensor, audio_masked: Tensor
    ) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        """Reconstructions of both modalities and the features of the contrast layers."""
        videos = self.video_encoder(video, video_masked)
        audios = self.audio_encoder(audio, audio_masked)
        video_norm, audio_norm = self.video_encoder.norm, self.audio_encoder.norm
        fused = self.fusion_encoder(video_norm(videos[-1]), audio_norm(audios[-1]))
        skips = [layer - 1 for layer in reversed(self.shape.skip_layers)]
        video_skips = [video_norm(videos[layer]) for layer in skips]
        audio_skips = [audio_norm(audios[layer]) for layer in skips]
        pairs = [
            (video_norm(videos[layer - 1]).mean(1), audio_norm(audios[layer - 1]).mean(1))
            for layer in self.shape.contrast_layers
        ]
        return (
            self.video_decoder(fused[0], video_skips, video_masked),
            self.audio_decoder(fused[1], audio_skips, audio_masked),
            pairs,
        )

    def loss(
        self,
        video: Tensor,
        audio: Tensor,
        masks: tuple[Mask, Mask],
        *,
        contrast_weight: float,
        temperature: float,
    ) -> Tensor:
        """The total loss; arguments as for `hicmae.models.HiCMAE` and `PretrainingTask`."""
        video_masked, audio_masked = flags(masks[0]), flags(masks[1])
        tubes, patches, pairs = self(video, audio, video_masked, audio_masked)
        loss = F.mse_loss(tubes.float(), pick(video_targets(video, self.shape), video_masked))
        loss = loss + F.mse_loss(
            patches.float(), pick(audio_targets(audio, self.shape), audio_masked)
        )
        own = torch.arange(len(video), device=video.device)
        for videos, audios in pairs:
            queries = F.normalize(videos.float(), dim=-1)
            keys = F.normalize(audios.float(), dim=-1)
            with torch.autocast(video.device.type, enabled=False):
                logits = queries @ keys.T / temperature
            both = F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)
            loss = loss + contrast_weight * both / 2
        return loss


class PlainRecognitionModel(nn.Module):
    """The audio-visual recogniser with hierarchical feature fusion."""

    def __init__(self, shape: Architecture, num_outputs: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.video_encoder = Encoder(shape, "video", drop_path)
        self.audio_encoder = Encoder(shape, "audio", drop_path)
        self.fusion_encoder = FusionEncoder(shape, drop_path)
        self.video_layer_weights = nn.Parameter(torch.ones(shape.depth) / shape.depth)
        self.audio_layer_weights = nn.Parameter(torch.ones(shape.depth) / shape.depth)
        self.head_norm = nn.LayerNorm(4 * shape.width, eps=NORM_EPSILON)
        self.head = nn.Linear(4 * shape.width, num_outputs)

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Logits (B, O) of video (B, 3, T, H, W) and audio (B, 1, T', F)."""
        last, parts = [], []
        for encoder, inputs, weights in (
            (self.video_encoder, video, self.video_layer_weights),
            (self.audio_encoder, audio, self.audio_layer_weights),
        ):
            layers = [encoder.norm(tokens) for tokens in encoder(inputs)]
            last.append(layers[-1])
            shares = weights.softmax(0)
            mean = [share * tokens.mean(1) for share, tokens in zip(shares, layers, strict=True)]
            parts.append(torch.stack(mean).sum(0))
        parts += [tokens.mean(1) for tokens in self.fusion_encoder(*last)]
        return self.head(self.head_norm(torch.cat(parts, dim=1)))


def token_count(grid: tuple[int, ...]) -> int:
    """Tokens of a grid."""
    return int(torch.tensor(grid).prod())


def video_targets(video: Tensor, shape: Architecture) -> Tensor:
    """The normalised tubes of all of a video, later frames as differences (B, N, t · p · p · 3)."""
    pixels = video * video.new_tensor(IMAGENET_STD).view(3, 1, 1, 1)
    pixels = pixels + video.new_tensor(IMAGENET_MEAN).view(3, 1, 1, 1)
    slices, rows, columns = shape.video_grid
    frames, patch = shape.tubelet_size, shape.patch_size
    tubes = pixels.reshape(len(video), 3, slices, frames, rows, patch, columns, patch)
    tubes = tubes.permute(0, 2, 4, 6, 3, 5, 7, 1)  # (B, slices, rows, columns, t, p, p, 3)
    tubes = tubes.reshape(len(video), slices * rows * columns, frames * patch**2, 3)
    tubes = normalised(tubes, dim=2).reshape(*tubes.shape[:2], frames, -1)
    first, later = tubes[:, :, :1], tubes[:, :, 1:]
    return torch.cat([first, later - first], dim=2).flatten(2)


def audio_targets(audio: Tensor, shape: Architecture) -> Tensor:
    """The normalised patches of a whole spectrogram (B, N, p · p)."""
    (rows, columns), patch = shape.audio_grid, shape.patch_size
    patches = audio.reshape(len(audio), rows, patch, columns, patch).permute(0, 1, 3, 2, 4)
    return normalised(patches.reshape(len(audio), rows * columns, patch**2), dim=2)


def normalised(values: Tensor, dim: int) -> Tensor:
    """Zero mean and unit deviation."""
    mean = values.mean(dim, keepdim=True)
    return (values - mean) / (values.var(dim, keepdim=True).sqrt() + EPSILON)
