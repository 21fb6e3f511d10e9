"""The package that produces the served weights. The server runs without it."""

import app.ct  # noqa: F401  it keeps OpenVINO and NNCF, which come later, from telling their makers that they are used
