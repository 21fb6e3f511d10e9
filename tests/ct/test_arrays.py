"""Arrays as files."""

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np

from app.ct.arrays import save_array

TOO_LARGE = """
import resource, sys
from pathlib import Path
import numpy as np
from app.ct.arrays import save_array
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    save_array(Path(sys.argv[1]), np.zeros((512, 512), np.uint8))
except OSError as error:
    print(error.errno)
"""


def test_an_array_comes_back_as_it_was(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.int16).reshape(3, 4).T

    save_array(tmp_path / "a.npy", array)

    found = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert found.dtype == np.int16
    assert np.array_equal(found, array)


def test_what_does_not_fit_any_more_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TOO_LARGE, str(tmp_path / "a.npy")]

    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said.split() == [f"{errno.EFBIG}"]
