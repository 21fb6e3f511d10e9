"""Labelled data scored as the service would, and what its scores and maps are worth there."""
