"""What the figures were measured on, and with what."""

import importlib.metadata
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.ct.manifest import Manifest
from tests.bench.gpu import NONE, gpu_name
from tests.bench.tables import Table

_PACKAGES = (
    "covidct",
    "openvino",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "onnxruntime",
    "numpy",
    "scipy",
    "pillow",
    "pydicom",
    "python-gdcm",
    "fastapi",
    "uvicorn",
)


@dataclass(frozen=True)
class Machine:
    """The machine, what is installed, and the model.

    Attributes:
        processor: its name.
        cores: that this process may use.
        memory_gb: of the machine.
        system: kernel and architecture.
        precisions: what OpenVINO computes in natively here.
        gpu: those that the NVIDIA driver lists, or that there is none.
        load_before: processes that wanted a core during the minute before.
        date: UTC.
        versions: Python's and packages'.
        model: name, digest, precision of the CPU engine.
    """

    processor: str
    cores: int
    memory_gb: float
    system: str
    precisions: str
    gpu: str
    load_before: float
    date: str
    versions: dict[str, str]
    model: str

    @classmethod
    def here(cls, manifest: Manifest) -> "Machine":
        """This machine, now."""
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            memory_gb=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            precisions=_precisions(),
            gpu=gpu_name() or NONE,
            load_before=round(os.getloadavg()[0], 2),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=_versions(),
            model=_model(manifest),
        )

    def table(self) -> Table:
        """Everything, a line each."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        rows = (
            ("processor", self.processor),
            ("cores", str(self.cores)),
            ("memory", f"{self.memory_gb} GB"),
            ("system", self.system),
            ("native precisions", self.precisions),
            ("GPU", self.gpu),
            ("load before", str(self.load_before)),
            ("date", self.date),
            ("versions", versions),
            ("model", self.model),
        )
        return Table("Machine", ("", "here"), rows, self._notes())

    def _notes(self) -> tuple[str, ...]:
        if self.load_before < self.cores / 4:
            return ()
        return ("Other work ran on this machine: times are longer than they are on a quiet one, ratios less steady.",)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = said.get("model name") or platform.processor() or "unknown"
    numbers = [f"{key} {said[key]}" for key in ("cpu family", "model") if key in said]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def _precisions() -> str:
    try:
        import openvino
    except ImportError:
        return "unknown: OpenVINO is not installed"
    return ", ".join(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _model(manifest: Manifest) -> str:
    network, engine = manifest.network, manifest.engines.get("openvino")
    served = f", served in {engine.precision} by OpenVINO" if engine else ""
    stages = ", ".join(f"conv{stage}" for stage in network.stages)
    return f"{manifest.name} {manifest.sha256[:16]}: {network.head} head on {stages} at {network.size} x {network.size}{served}"
