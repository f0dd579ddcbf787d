"""Finding faces, following them through a clip, and cutting them out upright.

Nothing here needs the optional packages until a clip is worked on.
"""

from hicmae.faces.detection import Face, FaceDetector, build_detector
from hicmae.faces.options import FaceOptions

__all__ = ["Face", "FaceDetector", "FaceOptions", "build_detector"]
