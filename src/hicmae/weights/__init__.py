"""Weights in files: reading them, and what their names are here and elsewhere."""
