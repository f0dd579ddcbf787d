"""What the commands of preparation let one choose, apart from the libraries that act on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hicmae.errors import ConfigError, check_ranges


@dataclass(frozen=True)
class CheckOptions:
    """What is looked at, and what counts as a problem.

    Attributes:
        decode: Frames that are decoded of every clip: its "ends" and middle, which finds files that
            were cut off, or "all".
        min_frames: Fewer frames than this are too short.
        min_sound: Fewer seconds of sound than this are too short. The public code refuses fewer
            than 1,025 samples at 16 kHz.
        silence: Sound whose largest sample stays below this, of 1, is silent.
        max_length_difference: Seconds by which picture and sound may differ in length; null accepts
            any difference.
    """

    decode: Literal["ends", "all"] = "ends"
    min_frames: int = 2
    min_sound: float = 1025 / 16_000
    silence: float = 1e-3
    max_length_difference: float | None = None


@dataclass(frozen=True)
class PackOptions:
    """How clips are cut, coded and put together.

    Attributes:
        size: Side of the square frames in pixels, even. The models read 160.
        region: Part of the source frame to keep, as top, left, height, width in pixels; null is
            that of the config or, where it has none, the centre square of the frame or of the
            half that the table names.
        crf: Quality of the H.264 video, 0 (no loss but that of colours at half the size) to 51.
        sound: How the samples of the sound are kept, without loss both times: "pcm" as they are,
            which is read soonest, or "flac" in about half the bytes.
        keyframe_every: Seconds from one key frame to the next; decoding starts at one.
        shard_mib: Size of a shard in MiB, which only a single larger clip exceeds.
        seed: Draws the order of the clips in the shards.
        folder_fps: Frames per second of clips that are folders of images; null is that of the
            config, or 25.

    Raises:
        ConfigError: An option is out of its range.
    """

    size: int = 160
    region: tuple[int, int, int, int] | None = None
    crf: int = 20
    sound: Literal["pcm", "flac"] = "pcm"
    keyframe_every: float = 2.0
    shard_mib: int = 256
    seed: int = 0
    folder_fps: float | None = None

    def __post_init__(self) -> None:
        limits: dict[str, tuple[float, float]] = {
            "size": (16, 4096),
            "crf": (0, 51),
            "keyframe_every": (0.01, 3600),
            "shard_mib": (1, 10**6),
            "seed": (0, 2**63),
            "folder_fps": (0.01, 1000),
        }
        check_ranges(self, limits)
        if self.size % 2:
            raise ConfigError(f"size is {self.size}, but H.264 needs an even number of pixels.")
