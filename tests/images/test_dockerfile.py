"""What the images hold, read from the Dockerfile; they are not built here."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.images.dockerfile import ROOT, copied, environment, inherited, last, stages

TARGETS = ["cpu", "gpu"]
SOURCES = sorted({source for stage in stages() for source in copied(stage)})


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_linter_has_nothing_to_say():
    found = ran(str(Path(sys.executable).with_name("hadolint")), "Dockerfile")

    assert (found.returncode, found.stdout) == (0, "")


def test_the_lean_image_is_what_a_plain_build_makes():
    assert next(reversed(stages())) == "cpu"


def test_the_base_is_one_version_of_a_python_that_the_project_runs_on():
    bases = {stage.base for stage in stages().values()} - set(stages())
    (version,) = {re.fullmatch(r"python:(3\.\d+)\.\d+-slim-\w+", base)[1] for base in bases}
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]

    assert supported == ">=3.11,<3.13"
    assert version in ("3.11", "3.12")


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_copied_exists_and_is_kept_by_git(source):
    assert (ROOT / source).exists()
    assert ran("git", "ls-files", "--", source).stdout, "nothing of it is under version control"
    assert ran("git", "check-ignore", "--no-index", "--", source).stdout == ""


@pytest.mark.parametrize("source", SOURCES)
def test_the_builder_is_sent_what_is_copied(source):
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert "*" in rules
    assert f"!{source}" in rules


def test_the_builder_is_sent_nothing_else():
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(SOURCES)


@pytest.mark.parametrize("target", TARGETS)
def test_only_what_serving_needs_is_copied(target):
    taken = {*copied(target), *copied(f"build-{target}")}

    assert taken == {
        "app/",
        "model_store/",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        f"requirements/serve-{target}.txt",
    }


@pytest.mark.parametrize("target", TARGETS)
def test_packages_come_from_the_lock_alone_and_the_project_brings_none(target):
    packages, project = [i.rest for i in inherited(f"build-{target}") if i.word == "RUN" and " install " in i.rest]

    assert f"--require-hashes --requirement requirements/serve-{target}.txt" in packages
    assert "--no-deps --no-build-isolation ." in project
    assert "editable" not in project


def test_no_address_stands_in_the_files_of_the_images():
    # docker-compose.yml tells where the service answers: on this machine, and nowhere else.
    for name in ("Dockerfile", ".dockerignore", "docker-compose.yml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        text = text.replace("http://127.0.0.1", "").replace("https://localhost", "")
        assert not re.search(r"://|index-url|find-links|trusted-host", text), name


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_runs_as_root(target):
    user, group = last(target, "USER").rest.split(":")

    assert int(user) >= 1000
    assert int(group) >= 1000
    assert any(f"--uid {user} " in i.rest for i in inherited(target) if i.word == "RUN")


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_copied_can_be_read_by_that_user_whatever_the_umask_of_the_host(target):
    own = [i for i in inherited(target) if i.word == "COPY" and "from" not in i.flags()]

    assert own
    for instruction in own:
        assert int(instruction.flags().get("chmod", "0"), base=8) & 0o005 == 0o005, instruction.rest


@pytest.mark.parametrize("target", TARGETS)
def test_exams_lie_on_the_volume(target):
    assert environment(target)["COVIDCT_DATA_DIR"] == last(target, "VOLUME").rest


@pytest.mark.parametrize("target", TARGETS)
def test_no_bytecode_is_written_while_it_runs(target):
    assert environment(target)["PYTHONDONTWRITEBYTECODE"] == "1"


@pytest.mark.parametrize("target", TARGETS)
def test_it_says_what_it_is_not(target):
    assert "Research use only. Not a medical device." in last(target, "LABEL").rest


@pytest.mark.parametrize("target", TARGETS)
def test_it_starts_the_service_on_the_port_it_names_and_leaves_none_open(target):
    assert last(target, "CMD").words() == ["covidct", "serve", "--host", "0.0.0.0"]
    assert last(target, "EXPOSE").rest == "8000"
