"""What the model is trained for: masks, reconstruction targets, contrast, regression losses."""
