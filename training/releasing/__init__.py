"""From a run to a model folder: the precisions it may be served in, its files, its card."""
