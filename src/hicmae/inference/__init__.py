"""Trained models on anyone's own clips: emotions over time, and features."""
