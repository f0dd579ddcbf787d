"""How clips are read and labelled: what data modules and descriptions of models share."""

from dataclasses import dataclass
from typing import Literal

from hicmae.choices import Senses
from hicmae.errors import ConfigError
from hicmae.media import Region

ErrorPolicy = Literal["raise", "skip"]
AudioAlignment = Literal["proportion", "time"]
Pixels = Literal["rgb", "yuv420"]
TargetKind = Literal["class", "distribution", "labels"]
"""Whether a clip is of one class, a mixture of them, or has any number of them as labels."""


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """How windows are cut from clips and decoded.

    Attributes:
        num_frames: Frames T per view.
        stride: Distance between the frames of a view, in frames of the clip.
        frame_size: Side S of the decoded square frames in pixels.
        on_error: What an unreadable clip does: stop the run, or be reported in place of its data.
        seed: Draws the random views, with the epoch and the clip's index.
        region: Part (top, left, height, width) of the source frame to decode; None is its centre
            square, or that of the half in which the table says the subject is.
        folder_fps: Frames per second of folders of images.
        audio_by: How the sound of a view is cut: in "proportion" to its place among the frames
            (reference implementation, fine-tuning), or by "time" in seconds (pre-training).
        max_length_difference: Seconds by which picture and sound may differ in length before the
            clip counts as unreadable; None accepts any difference.
        senses: What clips have to have: "both" picture and sound, or "any" of the two; "audio" and
            "video" ask for that alone and tell the model that it has nothing else.
        pixels: Frames as "rgb", or as "yuv420", the brightness and colour that most codecs keep, in
            half the bytes. A cache holds RGB.

    Raises:
        ConfigError: Frames of this size cannot be kept as brightness and colour.
    """

    num_frames: int = 16
    stride: int = 4
    frame_size: int = 160
    on_error: ErrorPolicy = "raise"
    seed: int = 0
    region: Region | None = None
    folder_fps: float = 25.0
    audio_by: AudioAlignment = "proportion"
    max_length_difference: float | None = None
    senses: Senses = "both"
    pixels: Pixels = "rgb"

    def __post_init__(self) -> None:
        if self.pixels == "yuv420" and self.frame_size % 4:
            raise ConfigError(
                f"data.frame_size is {self.frame_size}, but with data.pixels yuv420 it has to be a "
                "multiple of 4."
            )


@dataclass(frozen=True, slots=True)
class InputSettings:
    """How clips become a model's input, beside what its architecture says.

    Attributes:
        stride: Distance between the frames of a window, in frames of the clip.
        frame_size: Side in pixels to which the square picture is decoded.
        crop_pct: Central part of that side which is kept, in (0, 1].
    """

    stride: int = 4
    frame_size: int = 160
    crop_pct: float = 1.0
