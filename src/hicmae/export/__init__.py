"""`hicmae export`: a model as one file that runs without this project."""
