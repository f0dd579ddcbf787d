"""From a table of clips to the batches that a model learns from."""
