"""Decoders live in one process, and one of them brings a zlib that takes the place of every one loaded after it."""

import subprocess
import sys

import pytest

_ORDER = "import sys, {module}; names = list(sys.modules); print(*(names.index(n) for n in {names}))"
# The extension of gdcm is loaded for all to see, with the names of zlib in it. Whoever is loaded later and looks for zlib finds
# a part of it there; deflating or writing a PNG then ends the process (double free).
_FIRST, _GDCM = ("zlib", "PIL._imaging"), "_gdcm._gdcmswig"


@pytest.mark.parametrize("module", ["app.ct.reading", "app.cli", "app.main"])
def test_gdcm_is_loaded_after_zlib_and_pillow(module: str) -> None:
    code = _ORDER.format(module=module, names=(*_FIRST, _GDCM))

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    *first, gdcm = map(int, loaded.stdout.split())
    assert max(first) < gdcm
