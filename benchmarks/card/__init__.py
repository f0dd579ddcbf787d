"""What is measured on an accelerator: a module for each kind of measurement."""
