"""How faces are found, chosen and cut out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hicmae.errors import ConfigError, check_ranges
from hicmae.faces.tracking import FacePolicy


@dataclass(frozen=True)
class FaceOptions:
    """How faces are found, chosen, cut out and written.

    Attributes:
        face: Whose face is taken where there are several: the largest, the one nearest to the
            middle, or the largest in the left or right half of the picture. A manifest's `side`
            comes first.
        size: Side of the crops in pixels, even. The models read 160; 256 is what the published
            crops have, and leaves detail for random crops.
        margin: What is added on every side of the face, which reaches from hairline to chin, as a
            share of its height; below 0 cuts into it.
        write: A video with sound for each clip, or a folder of images and a WAV file.
        trim: Whether black and frozen frames at both ends of a clip are left out, with their sound.
        smooth: Standard deviation in seconds of the Gaussian that steadies the crop; 0 for none.
        detector: "mtcnn" or the path of a class, as package.module.Class.
        detect_every: The face is looked for in every n-th frame, and in the last; between them its
            landmarks are interpolated.
        whole_every: Of those frames every n-th is searched as a whole; in the others a face is
            looked for where it was, and elsewhere only if it is not there. 1 searches all of them
            as a whole.
        detect_side: The longer side in pixels to which pictures are reduced to look for faces.
        min_face: Side of the smallest face looked for, as a share of the picture's shorter side.
        min_score: Faces of which the detector is less sure than this are left out.
        crf: Quality of the H.264 videos, 0 (no loss) to 51.
        quality: Quality of the JPEG images, 1 to 100.
        folder_fps: Frames per second of clips that are folders of images; null is that of the
            data, or 25.

    Raises:
        ConfigError: An option is out of its range.
    """

    face: FacePolicy = "largest"
    size: int = 256
    margin: float = 0.05
    write: Literal["video", "frames"] = "video"
    trim: bool = False
    smooth: float = 0.1
    detector: str = "mtcnn"
    detect_every: int = 6
    whole_every: int = 8
    detect_side: int = 640
    min_face: float = 0.08
    min_score: float = 0.85
    crf: int = 18
    quality: int = 95
    folder_fps: float | None = None

    def __post_init__(self) -> None:
        limits: dict[str, tuple[float, float]] = {
            "size": (16, 4096),
            "margin": (-0.4, 5),
            "smooth": (0, 60),
            "detect_every": (1, 10**6),
            "whole_every": (1, 10**6),
            "detect_side": (64, 10**5),
            "min_face": (0.001, 1),
            "min_score": (0, 1),
            "crf": (0, 51),
            "quality": (1, 100),
            "folder_fps": (0.01, 1000),
        }
        check_ranges(self, limits)
        if self.size % 2:
            raise ConfigError(f"size is {self.size}, but H.264 needs an even number of pixels.")
