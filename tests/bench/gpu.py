"""Is there a GPU? Asked of the driver, without importing TensorFlow."""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache

NONE = "none: nothing was measured on one"
_ASKED = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
_LIMIT_S = 20


def _said() -> str:
    if shutil.which(_ASKED[0]) is None:
        return ""
    ended = subprocess.run(_ASKED, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    return "" if ended.returncode else ended.stdout


def names_of(said: str) -> str:
    """The GPUs that the driver lists, one a line; empty where it lists none."""
    return "; ".join(line.strip() for line in said.splitlines() if line.strip())


@cache
def gpu_name(ask: Callable[[], str] = _said) -> str:
    """Name and memory of the GPUs, empty without one."""
    return names_of(ask())
