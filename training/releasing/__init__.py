"""From a run to a model folder with its card."""
