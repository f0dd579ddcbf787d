"""`hicmae visualize`: pictures of what a model reconstructs, keeps apart, weighs and confuses."""
