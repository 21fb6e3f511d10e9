"""The package that produces the served weights. The server runs without it."""
