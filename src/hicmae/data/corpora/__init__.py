"""One file per corpus: where its files lie, how its labels read, how its folds are made."""
