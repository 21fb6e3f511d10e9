"""A running service without a network, its model a fake."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from app.ct.phantom import phantom
from app.ct.phantom.files import jpeg_files
from app.main import create_app
from app.service import SliceClassifier
from app.settings import Settings
from tests.fakes import FakeClassifier

Upload = list[tuple[str, tuple[str, bytes]]]
Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def upload() -> Upload:
    """A small synthetic exam of 12 pictures."""
    chest = phantom(slices=12, lesions="few", size=128)
    return [("files", (file.name, file.read())) for file in jpeg_files(chest)]


@asynccontextmanager
async def serving(
    data_dir: Path, *, load: Callable[[], SliceClassifier] = FakeClassifier, **settings: object
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings.model_validate({"data_dir": data_dir, **settings}), load=load)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client,
    ):
        await app.state.parts.desk.admit()
        yield client


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Start a service on a store of its own; keyword arguments are settings, or ``load``."""

    def start(**options: object) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return serving(tmp_path / "data", **options)  # type: ignore[arg-type]

    return start


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    async with serve() as running:
        yield running
