"""The service over HTTP: the only package, with ``app.main``, that knows FastAPI."""
