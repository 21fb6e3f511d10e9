"""`make` on a machine whose Python, or whose first try, was not fit; every Python is a stub, nothing is installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKS = '#!/bin/sh\necho "$0 $*" >>{log}\ncase "$1" in -c) exec {real} "$@";; esac\n'
UNFIT = '#!/bin/sh\necho "$0 $*" >>{log}\ncase "$1" in -c) exit 1;; esac\n'
WITHOUT_PIP = WORKS + 'case "$*" in "-m pip"*) exit 1;; esac\n'
MAKES = WORKS + 'case "$*" in "-m venv --clear .venv") rm -rf .venv; mkdir -p .venv; cp -r fit .venv/bin;; esac\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With a command that makes a .venv of which the very packages are stubs."""
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    for lock in ("serve-cpu", "serve-gpu"):
        a_file(tmp_path / "requirements" / f"{lock}.txt", "")
    a_file(tmp_path / "pyproject.toml", "")
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name, script in (("fit/python", WORKS), ("fit/covidct", WORKS), ("makes", MAKES), ("unfit", UNFIT)):
        a_command(tmp_path, name, script)
    return tmp_path


def a_file(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def a_command(checkout: Path, name: str, script: str) -> None:
    a_file(checkout / name, script.format(log=checkout / "log", real=sys.executable)).chmod(0o755)


def made(checkout: Path, python: str) -> tuple[int, str, list[str]]:
    """How `make serve` ended, what it told, and what was run."""
    command = ["make", "--silent", "-C", str(checkout), "serve", f"PYTHON=./{python}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    log = checkout / "log"
    return ended.returncode, ended.stderr, log.read_text().splitlines() if log.exists() else []


def test_a_python_that_is_not_fit_is_told_before_anything_is_made(checkout: Path) -> None:
    for python in ("unfit", "missing"):
        code, err, ran = made(checkout, python)

        assert code != 0
        assert err.startswith("Python 3.11 or 3.12 is needed: make PYTHON=python3.12 serve\n")
        assert not [line for line in ran if "-m" in line]
    assert not (checkout / ".venv").exists()


def test_a_fresh_checkout_is_served(checkout: Path) -> None:
    code, err, ran = made(checkout, "makes")

    assert (code, err) == (0, "")
    assert "./makes -m venv --clear .venv" in ran
    assert ran[-1] == ".venv/bin/covidct serve"


@pytest.mark.parametrize("half_made", [WITHOUT_PIP, UNFIT])
def test_a_venv_without_pip_or_of_another_python_is_made_anew(checkout: Path, half_made: str) -> None:
    a_command(checkout, ".venv/bin/python", half_made)

    code, _, ran = made(checkout, "makes")

    assert code == 0
    assert "./makes -m venv --clear .venv" in ran
    assert ran[-1] == ".venv/bin/covidct serve"


def test_a_venv_that_is_fit_is_kept_whichever_python_is_named(checkout: Path) -> None:
    shutil.copytree(checkout / "fit", checkout / ".venv" / "bin")

    code, err, ran = made(checkout, "unfit")

    assert (code, err) == (0, "")
    assert not any("venv --clear" in line or "./unfit" in line for line in ran)
    assert ran[-1] == ".venv/bin/covidct serve"


@pytest.mark.parametrize("other", [".dev", ".serve-gpu"])
def test_two_kinds_of_tensorflow_are_never_in_one_venv(checkout: Path, other: str) -> None:
    shutil.copytree(checkout / "fit", checkout / ".venv" / "bin")
    a_file(checkout / ".venv" / other, "")
    a_file(checkout / "requirements" / "dev.txt", "")
    target = {".dev": ".serve-gpu", ".serve-gpu": ".dev"}[other]

    command = ["make", "--silent", "-C", str(checkout), f".venv/{target}", "PYTHON=./makes"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert "./makes -m venv --clear .venv" in (checkout / "log").read_text().splitlines()
    assert not (checkout / ".venv" / other).exists()


def test_the_versions_are_those_of_the_package() -> None:
    assert 'requires-python = ">=3.11,<3.13"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "(3, 11) <= sys.version_info[:2] < (3, 13)" in (ROOT / "Makefile").read_text(encoding="utf-8")
