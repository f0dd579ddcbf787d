"""From runs to tables: cross-validation, scores over all folds, published results beside ours."""
