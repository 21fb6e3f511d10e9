"""Get public packages by name with their registries' ordinary clients, and unpack them."""

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 300
"""A package that takes longer is counted as not to be had."""


@dataclass(frozen=True)
class Package:
    """One package; ``client`` is apt, npm, wheel or sdist.

    Debian's packages carry no version: a machine sees only that of its own release.
    """

    client: str
    name: str
    version: str = ""

    @property
    def command(self) -> list[str]:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", "."]
        return {
            "apt": ["apt-get", "download", "-q", self.name],
            "npm": ["npm", "pack", "--silent", f"{self.name}@{self.version}"],
            "sdist": [*pip, "--no-binary", ":all:", f"{self.name}=={self.version}"],
            "wheel": [*pip, "--only-binary", ":all:", f"{self.name}=={self.version}"],
        }[self.client]


def fetch(package: Package, folder: Path) -> Path | None:
    """Download a package into ``folder`` and unpack it there; None where it cannot be had.

    A package that lies there already is not asked for again.
    """
    unpacked = folder / package.name / "content"
    if unpacked.is_dir():
        return unpacked
    unpacked.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(package.command, cwd=unpacked.parent, check=True, capture_output=True, timeout=PATIENCE_S)
        _unpack(next(path for path in unpacked.parent.iterdir() if path.is_file()), unpacked)
    except (OSError, subprocess.SubprocessError, StopIteration, tarfile.TarError, zipfile.BadZipFile):
        return None
    return unpacked


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", archive, folder], check=True, capture_output=True, timeout=PATIENCE_S)
    elif archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
