"""What scores and maps are worth on labelled data."""
