"""Opening and decoding video, sound and folders of face images.

PyAV brings its own FFmpeg, so every container and codec that FFmpeg decodes is read the same way.
Two facts shape these files. Reading the packets of a clip without decoding them takes a small part
of a millisecond and tells exactly which frames there are, while the header of a container may be
wrong about it (edit lists), or silent (FLV, MPEG-1, WebM). And converting and scaling pixels costs
more than decoding, so only the frames asked for are converted, in one pass, straight to the size
asked for.
"""

from hicmae.media.audio import SAMPLE_RATE, read_audio, resampled
from hicmae.media.folder import IMAGE_SUFFIXES
from hicmae.media.outline import MediaOutline, read_outline
from hicmae.media.pictures import PictureConverter, Region, Side
from hicmae.media.streaming import stream_pictures, stream_sound
from hicmae.media.video import VideoReader

__all__ = [
    "IMAGE_SUFFIXES",
    "SAMPLE_RATE",
    "MediaOutline",
    "PictureConverter",
    "Region",
    "Side",
    "VideoReader",
    "read_audio",
    "read_outline",
    "resampled",
    "stream_pictures",
    "stream_sound",
]
