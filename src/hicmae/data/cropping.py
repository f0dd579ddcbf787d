"""Which part of each clip is kept and mirrored, and how it is brought to the model's size.

Pictures stay bytes for as long as they can: a processor resizes bytes several times as fast as
floats, and their values lie within one of 255.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from hicmae.errors import ConfigError
from hicmae.media import Region
from hicmae.media.colour import rgb_from_planes, rgb_of_region

Resizing = Literal["auto", "bytes", "floats"]


class Crops(NamedTuple):
    """What is kept of N clips.

    Attributes:
        boxes: Top, left, height and width in each clip, in pixels.
        mirrored: Whether each clip is mirrored.
        resizing: In what pictures are resized: "bytes" rounds to whole levels of 255, "floats" does
            not; "auto" is bytes on a processor and floats elsewhere.
    """

    boxes: list[Region]
    mirrored: list[bool]
    resizing: Resizing = "auto"


def draw_mirrored(count: int, probability: float) -> list[bool]:
    """Which clips are mirrored."""
    return (torch.rand(count) < probability).tolist() if probability else [False] * count


def check_resizing(resizing: Resizing) -> Resizing:
    """An option that is one of its choices.

    Raises:
        ConfigError: It is none of them.
    """
    if resizing not in get_args(Resizing):
        raise ConfigError(f"resizing is {resizing!r}; choose {', '.join(get_args(Resizing))}.")
    return resizing


class MultiScaleCrop:
    """Rectangles at a corner or the centre.

    Height and width are scales of the frame's side, drawn among the pairs whose places in the list
    of scales differ by at most `max_distortion` (method: pre-training recipe).

    Args:
        scales: Sides of the rectangle as parts of the frame's side, largest first, in (0, 1].
        max_distortion: How many places height and width may lie apart.

    Raises:
        ConfigError: A scale is out of its range, or there is none.
    """

    def __init__(
        self, scales: Sequence[float] = (1.0, 0.875, 0.75, 0.66), max_distortion: int = 1
    ) -> None:
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise ConfigError(f"scales is {list(scales)}; give parts of the side in (0, 1].")
        self.shapes = [
            (tall, wide)
            for i, tall in enumerate(scales)
            for j, wide in enumerate(scales)
            if abs(i - j) <= max_distortion
        ]

    def draw(self, count: int, height: int, width: int) -> list[Region]:
        """A rectangle for each clip of this size."""
        shapes = torch.randint(len(self.shapes), (count,)).tolist()
        corners = torch.randint(5, (count,)).tolist()
        boxes = []
        for shape, corner in zip(shapes, corners, strict=True):
            tall, wide = (
                int(side * scale)
                for side, scale in zip((height, width), self.shapes[shape], strict=True)
            )
            # The centre, then the corners.
            top, left = [
                ((height - tall) // 2, (width - wide) // 2),
                (0, 0),
                (0, width - wide),
                (height - tall, 0),
                (height - tall, width - wide),
            ][corner]
            boxes.append((top, left, tall, wide))
        return boxes


class RandomResizedCrop:
    """Rectangles of any area and shape within a range, torchvision's.

    Args:
        scale: Smallest and largest part of the area that is kept.
        ratio: Smallest and largest width over height.
    """

    def __init__(self, scale: tuple[float, float], ratio: tuple[float, float]) -> None:
        from torchvision.transforms import v2  # noqa: PLC0415 (takes a second, for training alone)

        self.crop = v2.RandomResizedCrop(1, scale, ratio)

    def draw(self, count: int, height: int, width: int) -> list[Region]:
        """A rectangle for each clip of this size."""
        frame = torch.empty(3, height, width, device="meta")
        drawn = (self.crop.make_params([frame]) for _ in range(count))
        return [(box["top"], box["left"], box["height"], box["width"]) for box in drawn]


def cut(frames: Tensor, matrices: Tensor | None, crops: Crops, size: int) -> Tensor:
    """Cuts, resizes (bilinear, anti-aliased) and mirrors clips.

    Args:
        frames: uint8 (N, T, H, W, 3), or planes (N, T, 3 · W / 2, W) with their `matrices`.
        matrices: `rgb_matrix` of each clip, (N, 3, 4); None where frames are RGB.
        crops: What is kept of each clip.
        size: Side S of the result.

    Returns:
        (N, T, 3, S, S): uint8 from 0 to 255, or float from 0 to 1 where floats are resized.
    """
    together = frames.device.type != "cpu"
    bytewise = not together if crops.resizing == "auto" else crops.resizing == "bytes"
    if together:
        pictures = frames if matrices is None else rgb_from_planes(frames, matrices).movedim(2, -1)
        return cut_together(pictures, crops, size, bytewise=bytewise)
    kind = torch.uint8 if bytewise else torch.float32
    result = frames.new_empty((*frames.shape[:2], size, size, 3), dtype=kind).movedim(-1, 2)
    # Clip by clip, what lies in between stays in the cache of the processor.
    for clip, (box, mirrored) in enumerate(zip(crops.boxes, crops.mirrored, strict=True)):
        if matrices is None:
            top, left, tall, wide = box
            part = frames[clip, :, top : top + tall, left : left + wide].movedim(-1, 1)
        else:
            part = rgb_of_region(frames[clip], matrices[clip], box)
        # Bytes are resized fastest with the colours of a pixel together in memory.
        part = part.contiguous(memory_format=torch.channels_last)
        part = resize(part if bytewise else part.float().div_(255), size)
        result[clip] = part.flip(-1) if mirrored else part
    return result


def resize(frames: Tensor, size: int) -> Tensor:
    """Resizes pictures (T, 3, H, W) to (T, 3, size, size), bilinear and anti-aliased."""
    if frames.shape[-2:] == (size, size):
        return frames
    return interpolate(frames, (size, size), mode="bilinear", antialias=True)


def cut_together(pictures: Tensor, crops: Crops, size: int, *, bytewise: bool) -> Tensor:
    """What `cut` does, by two products of matrices for all clips at once, as accelerators like it.

    Args:
        pictures: uint8 (N, T, H, W, 3).
        crops: What is kept of each clip.
        size: Side S of the result.
        bytewise: Whether the result is bytes.

    Returns:
        (N, T, 3, S, S): uint8 from 0 to 255, or float from 0 to 1.
    """
    height, width = pictures.shape[2:4]
    boxes = torch.tensor(crops.boxes, dtype=torch.float32).view(-1, 4)
    mirrored = torch.tensor(crops.mirrored, dtype=torch.bool)
    boxes, mirrored = (part.to(pictures.device, non_blocking=True) for part in (boxes, mirrored))
    top, left, tall, wide = boxes.unbind(1)
    rows, columns = _weights(top, tall, height, size), _weights(left, wide, width, size)
    columns = torch.where(mirrored[:, None, None], columns.flip(1), columns)
    # Reduced precision would be off by more than a level.
    with torch.autocast(pictures.device.type, enabled=False):
        across = pictures.movedim(-1, 2).float() @ columns.mT[:, None, None]
        resized = rows[:, None, None] @ across
    if bytewise:
        return resized.round_().clamp_(0, 255).to(torch.uint8)
    return resized.div_(255)


def _weights(begin: Tensor, length: Tensor, side: int, size: int) -> Tensor:
    """What each pixel of a side gives to each of `size` resized ones, (N, size, side)."""
    scale = (length / size)[:, None, None]
    step, place = (torch.arange(count, device=begin.device) + 0.5 for count in (size, side))
    centre = begin[:, None, None] + step[:, None] * scale
    weight = (1 - (place - centre).abs() / scale.clamp(min=1)).clamp(min=0)
    end = (begin + length)[:, None, None]
    weight *= (place > begin[:, None, None]) & (place < end)
    return weight / weight.sum(-1, keepdim=True)
