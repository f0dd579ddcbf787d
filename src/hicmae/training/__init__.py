"""Training runs: the commands, what they show and keep, and going on after a stop."""
