"""Model folders to test with: the served one, and copies of it that a test may spoil."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from app.ct.errors import NoModel
from app.main import create_app
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
    for path in filter(Path.is_file, the_served_model().iterdir()):
        if path.stat().st_size > 1_000_000:
            (copy / path.name).symlink_to(path)
        else:
            shutil.copy(path, copy / path.name)
    return copy


def replaced(path: Path, content: bytes) -> None:
    """Put another file in the place of ``path``."""
    path.unlink()
    path.write_bytes(content)


@asynccontextmanager
async def the_service(data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service with the model it really serves, once it takes exams."""
    the_served_model()
    app = create_app(Settings(data_dir=data_dir, ready_wait_s=120, workers=None))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=120) as client,
    ):
        await app.state.parts.desk.admit()
        yield client
