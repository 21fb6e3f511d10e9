"""What an operator may not set, and what is no setting."""

import math

import pytest
from pydantic import ValidationError

from app.settings import Settings, unknown_settings

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


@pytest.mark.parametrize(
    "name", ["COVIDCT_RETENTION_HOURS", "covidct_portt", "COVIDCT_", "COVIDCT_PORT_TCP", "COVIDCT_SERVER_PORT"]
)
def test_a_variable_that_is_no_setting_is_noticed(name: str) -> None:
    assert unknown_settings({name: "1", "PATH": "/bin", "XCOVIDCT_PORT": "1"}) == [name]


def test_every_setting_is_known_in_any_case() -> None:
    names = [f"COVIDCT_{name.upper()}" for name in Settings.model_fields]

    assert unknown_settings(dict.fromkeys([*names, *map(str.lower, names)], "1")) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_SKIPS", "1"),
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "8000"),
        ("SERVICE_PORT_HTTP", "8000"),
        ("PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("GPU_SERVICE_HOST", "10.0.0.1"),
        ("GPU_PORT", "tcp://10.0.0.1:8000"),
        ("GPU_PORT_8000_TCP_PROTO", "tcp"),
    ],
)
def test_what_tests_and_kubernetes_set_is_passed_over(name: str, value: str) -> None:
    assert unknown_settings({f"COVIDCT_{name}": value}) == []
