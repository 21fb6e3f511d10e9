"""What a figure was measured with: the processor and the libraries, in words."""

import platform
from importlib.metadata import version
from pathlib import Path

from app.ct.processors import cpus

_CPU_INFO = Path("/proc/cpuinfo")


def processor() -> str:
    """Name of the processor and how many of its cores this process may use."""
    lines = _CPU_INFO.read_text(encoding="utf-8").splitlines() if _CPU_INFO.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {cpus()} cores"


def versions(*packages: str) -> dict[str, str]:
    """Installed versions by name."""
    return {name: version(name) for name in packages}


def trained_on() -> str:
    """The device and the backend that Keras trains with."""
    import keras

    device = "a GPU" if keras.distribution.list_devices("gpu") else processor()
    return f"{device}, Keras on {keras.backend.backend()}"
