"""From a prepared catalog and a recipe to a run."""
