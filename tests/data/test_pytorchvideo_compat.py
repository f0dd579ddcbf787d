"""What lets pytorchvideo be imported is there."""

from importlib.metadata import version
from importlib.util import find_spec


def test_torchvision_has_what_pytorchvideo_imports():
    assert find_spec("torchvision.transforms._functional_tensor"), (
        "hicmae/data/pytorchvideo_compat.py leans on torchvision.transforms._functional_tensor, "
        f"seen in torchvision 0.27.1; torchvision {version('torchvision')} has it no longer: "
        "give pytorchvideo's transforms what they import from elsewhere, or draw the operations of "
        "RandAugment without pytorchvideo."
    )
