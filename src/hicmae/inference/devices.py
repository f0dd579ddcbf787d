"""Where models run."""

from __future__ import annotations

import torch

from hicmae.errors import ConfigError


def usable_device(name: str) -> torch.device:
    """The device of a name.

    Args:
        name: "cpu", "cuda", "mps", or "auto" for the best there is.

    Raises:
        ConfigError: It is not there.
    """
    if name == "auto":
        name = (
            "cuda"
            if torch.cuda.is_available()
            else "mps"
            if torch.backends.mps.is_available()
            else "cpu"
        )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"device '{name}' cannot be used here ({str(error).splitlines()[0]}): choose cpu, "
            "cuda, mps or auto."
        ) from error
    return device
