"""What the data is: catalogs, what leaks between their parts, and the split."""
