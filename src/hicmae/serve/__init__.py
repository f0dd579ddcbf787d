"""A page on which clips are recognised: `hicmae serve`."""

import os

# Read when gradio is imported: nothing is told to its makers.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
