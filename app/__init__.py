"""The server: chest CT slices of one exam in, COVID-19 probability and heatmap out. Research use only."""

__version__ = "0.1.0"

NOTICE = "Research use only. Not a medical device."
