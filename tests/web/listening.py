"""The application behind a real socket, served as ``covidct serve`` does, its model a fake."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from app.commands.serve import server_config
from app.main import create_app
from app.service import SliceClassifier
from app.settings import Settings
from tests.fakes import FakeClassifier

Port = int
_END_S = 60.0


@contextmanager
def listening(
    data_dir: Path, *, load: Callable[[], SliceClassifier] = FakeClassifier, **settings: object
) -> Iterator[Port]:
    """Serve on a port of its own."""
    of = Settings.model_validate({"data_dir": data_dir, "port": 0, "workers": 0, **settings})
    server = uvicorn.Server(server_config(create_app(of, load=load), of))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(_END_S)
        assert not thread.is_alive()


def connected(port: Port, *, host: str = "127.0.0.1") -> socket.socket:
    """A connection from an address of this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=_END_S, source_address=(host, 0))


def all_said(connection: socket.socket) -> bytes:
    """What comes until the service closes; it must."""
    said = bytearray()
    try:
        while piece := connection.recv(2**16):
            said += piece
    except ConnectionResetError:
        pass
    return bytes(said)


def status_of(said: bytes) -> int:
    """The status of the first answer; 0 where there is none."""
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0
