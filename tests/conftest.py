"""Settings of the test run."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Most tests ask for an exam or two of a few slices: processes of their own would cost more than all the rest. Those of the
# workers, of the served model and of the browser have them.
os.environ.setdefault("COVIDCT_WORKERS", "0")

# Times differ between machines; what fails once must fail again.
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("house")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Where nothing may be skipped (COVIDCT_NO_SKIPS, as CI sets it), a skip is a failure."""
    report = yield
    if os.environ.get("COVIDCT_NO_SKIPS") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which is not allowed here: {report.longrepr}"
    return report
