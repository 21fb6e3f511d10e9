"""Carries out the Dockerfile's steps in a folder: what lies at /opt/covidct in the image then lies below that folder.

No container: the Python and the C library are those of this machine. Steps that touch neither the environment nor the
files of the service, such as adding the user, are left out.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.images.dockerfile import ROOT, Instruction, environment, inherited, last

NO_PACKAGES = re.compile(r"No matching distribution|Could not find a version|NewConnectionError|Max retries exceeded")
INSTALL_LIMIT_S = 300


@dataclass(frozen=True)
class Replay:
    """A folder that holds what the image of ``target`` would hold."""

    root: Path
    target: str

    @classmethod
    def of(cls, target: str, root: Path) -> "Replay":
        """Build it, first what it copies from other stages; skips where packages cannot be had."""
        replay = cls(root, target)
        for folder in ("/tmp", last(target, "VOLUME").rest):
            replay.inside(folder).mkdir(parents=True)
        for stage in _stages_copied_from(target):
            replay._carry_out(inherited(stage))
            shutil.rmtree(replay.workdir(stage))
        replay._carry_out([i for i in inherited(target) if "from" not in i.flags()])
        return replay

    def inside(self, path: str) -> Path:
        """Where a path of the image lies."""
        return self.root / path.lstrip("/")

    def workdir(self, stage: str) -> Path:
        """The folder a stage works in."""
        return self.inside(last(stage, "WORKDIR").rest)

    @property
    def environment(self) -> dict[str, str]:
        """The variables a process of the image has, no others; its user's home is /tmp."""
        home = str(self.inside("/tmp"))
        plain = {"PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home}
        for name, value in environment(self.target).items():
            plain[name] = self._mapped(value.replace("$PATH", plain["PATH"]))
        return plain

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as in a container of the image."""
        return subprocess.run(self._found(command), **self._surroundings(), capture_output=True, text=True, timeout=60)

    def start(self, command: Sequence[str], log: Path, **extra: str) -> subprocess.Popen[bytes]:
        """Start what goes on until it is stopped; what it says goes to ``log``."""
        surroundings = self._surroundings()
        surroundings["env"] |= extra
        with log.open("wb") as said:
            return subprocess.Popen(self._found(command), **surroundings, stdout=said, stderr=said)

    def files(self) -> dict[str, tuple[int, int]]:
        """Size and time of everything outside the volume and /tmp."""
        changing = [self.inside("/tmp"), self.inside(last(self.target, "VOLUME").rest)]
        paths = (p for p in self.root.rglob("*") if not any(p.is_relative_to(folder) for folder in changing))
        return {str(p): (p.lstat().st_size, p.lstat().st_mtime_ns) for p in paths}

    def _surroundings(self) -> dict[str, object]:
        return {"cwd": self.workdir(self.target), "env": self.environment}

    def _found(self, command: Sequence[str]) -> list[str]:
        """The command with its program looked up on the image's PATH, not on this machine's."""
        program = shutil.which(command[0], path=self.environment["PATH"])
        assert program is not None, f"{command[0]} is not in the image"
        return [program, *command[1:]]

    def _carry_out(self, instructions: Sequence[Instruction]) -> None:
        here = self.root
        for instruction in instructions:
            match instruction.word:
                case "WORKDIR":
                    here = self.inside(instruction.rest)
                    here.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    _copy(instruction, here)
                case "RUN" if "/opt/covidct" in instruction.rest:
                    _run(self._mapped(re.sub(r"--mount=\S+", "", instruction.rest)), here)

    def _mapped(self, text: str) -> str:
        return re.sub(r"/(?=opt/covidct|var/lib/covidct)", f"{self.root}/", text)


def _stages_copied_from(target: str) -> list[str]:
    """The stages whose files a target takes; each must lie where it lay, or programs would not find themselves."""
    found = []
    for instruction in inherited(target):
        if instruction.word == "COPY" and (stage := instruction.flags().get("from")):
            source, destination = instruction.words()
            assert Path(source) == Path(last(target, "WORKDIR").rest) / destination
            found.append(stage)
    return found


def _copy(instruction: Instruction, here: Path) -> None:
    *sources, destination = instruction.words()
    for source in sources:
        if source.endswith("/"):
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / source, here / destination, ignore=ignored)
        else:
            (here / destination).mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, here / destination)


def _run(script: str, here: Path) -> None:
    """A RUN line, with the Python that runs the tests; pip knows by its own settings where packages come from."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=here,
        env=os.environ | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=INSTALL_LIMIT_S,
        check=False,
    )
    if done.returncode and NO_PACKAGES.search(done.stderr):
        pytest.skip("packages cannot be fetched here, so the image's environment cannot be made")
    assert done.returncode == 0, done.stderr[-2000:]
