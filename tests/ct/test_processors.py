"""As many threads as may run at a time, also within a container's share."""

import os
from pathlib import Path

import pytest

from app.ct.processors import cpus


@pytest.fixture
def of_sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


def within(tmp_path: Path, limits: dict[str, str], *, member: str = "0::/\n") -> int:
    groups = tmp_path / "cgroup"
    for folder, limit in limits.items():
        (groups / folder).mkdir(parents=True, exist_ok=True)
        (groups / folder / "cpu.max").write_text(limit)
    (tmp_path / "member").write_text(member)
    return cpus(tmp_path / "member", groups)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000\n", 16),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("9900000 100000\n", 16),
    ],
)
@pytest.mark.usefixtures("of_sixteen")
def test_a_container_uses_no_more_than_its_share(tmp_path: Path, limit: str, expected: int) -> None:
    assert within(tmp_path, {"": limit}) == expected


@pytest.mark.usefixtures("of_sixteen")
def test_the_narrowest_group_around_it_counts(tmp_path: Path) -> None:
    limits = {
        "system.slice/covidct.service": "800000 100000",
        "system.slice": "300000 100000",
        "other": "100000 100000",
    }

    assert within(tmp_path, limits, member="1:name=systemd:/x\n0::/system.slice/covidct.service\n") == 3


@pytest.mark.usefixtures("of_sixteen")
def test_without_groups_that_are_known_it_is_what_the_process_may_run_on(tmp_path: Path) -> None:
    assert cpus(tmp_path / "none", tmp_path) == 16
    assert within(tmp_path, {"": "no number"}, member="4:cpu:/docker/x\n0::/elsewhere\n") == 16
