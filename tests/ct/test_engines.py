"""What comes with the engines."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_the_cpu_engine_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    started = "import threading, app.ct.engines.openvino; print(threading.active_count())"
    at_home = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}

    said = subprocess.run([sys.executable, "-c", started], env=at_home, capture_output=True, text=True, check=True)

    assert said.stdout == "1\n"
    assert list(tmp_path.iterdir()) == []
