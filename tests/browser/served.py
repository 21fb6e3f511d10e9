"""The service as a process of its own, its model a fake: ``python -m tests.browser.served DATA PORT GATE``.

Slices are scored once the file GATE is there.
"""

import sys
from pathlib import Path
from threading import Event

import uvicorn

from app.main import create_app
from app.settings import Settings
from tests.fakes import FakeClassifier


class _Gate(Event):
    """Opens when a file appears."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002  as long as it takes
        while not self._path.exists():
            super().wait(0.05)
        return True


class _Server(uvicorn.Server):
    """Says on stdout when it listens."""

    async def startup(self, *arguments: object, **options: object) -> None:
        await super().startup(*arguments, **options)  # type: ignore[arg-type]
        print("listening", flush=True)


if __name__ == "__main__":
    data, port, gate = sys.argv[1:]
    app = create_app(Settings(data_dir=Path(data), workers=0), load=lambda: FakeClassifier(gate=_Gate(Path(gate))))
    _Server(uvicorn.Config(app, port=int(port), access_log=False, log_level="error", log_config=None)).run()
