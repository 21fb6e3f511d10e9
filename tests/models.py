"""Model folders to test with: the served one, and copies of it that a test may spoil."""

import shutil
from pathlib import Path

import pytest

from app.ct.errors import NoModel
from app.settings import Settings, model_folder


def the_served_model() -> Path:
    """The folder in model_store/; skips where there is none."""
    try:
        return model_folder(Settings())
    except NoModel:
        pytest.skip("model_store/ holds no model")


def a_model_folder(folder: Path) -> Path:
    """A copy of the served model; its large files are links, so replace them, never write into them."""
    copy = folder / "model"
    copy.mkdir()
    for path in the_served_model().iterdir():
        if path.stat().st_size > 1_000_000:
            (copy / path.name).symlink_to(path)
        else:
            shutil.copy(path, copy / path.name)
    return copy


def replaced(path: Path, content: bytes) -> None:
    """Put another file in the place of ``path``."""
    path.unlink()
    path.write_bytes(content)
