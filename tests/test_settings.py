"""What an operator may not set."""

import math

import pytest
from pydantic import ValidationError

from app.settings import Settings

TIMES = [
    name
    for name in Settings.model_fields
    if name.endswith(("_s", "_h")) and name not in ("retry_after_s", "min_upload_kb_s")
]


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [math.inf, math.nan, 1e9, -1])
def test_times_that_no_clock_reckons_with_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value})
