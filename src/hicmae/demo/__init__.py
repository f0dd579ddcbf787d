"""A synthetic talking-face corpus, made on the spot, so that the whole program can be tried."""
