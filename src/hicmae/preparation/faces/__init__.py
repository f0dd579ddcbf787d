"""Finding the face of a clip, following it, and cutting it out upright.

Nothing here needs the optional packages until a clip is worked on.
"""

from hicmae.preparation.faces.crop import FaceOptions, crop_face
from hicmae.preparation.faces.detection import Face, FaceDetector, build_detector

__all__ = ["Face", "FaceDetector", "FaceOptions", "build_detector", "crop_face"]
