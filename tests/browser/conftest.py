"""A real server and a real browser."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files, jpeg_files, write
from app.main import create_app
from app.service import SliceClassifier
from app.settings import Settings
from tests.fakes import FakeClassifier


# Not for the session: while Playwright is there its event loop runs, and no other test could start one.
@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Its profile, caches and crash reports lie in a home of its own."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    home = str(tmp_path_factory.mktemp("home"))
    away = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home, "TMPDIR": home}
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"], env={**os.environ, **away}
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def exam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic exam of 24 pictures."""
    folder = tmp_path_factory.mktemp("exam")
    write(jpeg_files(phantom(slices=24, lesions="many", size=256)), folder)
    return folder


@pytest.fixture(scope="session")
def scan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic exam of 24 DICOM files."""
    folder = tmp_path_factory.mktemp("scan")
    write(dicom_files(phantom(slices=24, lesions="many", size=128)), folder)
    return folder


@contextmanager
def listening(
    data_dir: Path, *, load: Callable[[], SliceClassifier] = FakeClassifier, **settings: object
) -> Iterator[str]:
    app = create_app(Settings.model_validate({"data_dir": data_dir, "workers": 1, **settings}), load=load)
    server = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False, log_level="error", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server does not start"
            time.sleep(0.02)
        while load is FakeClassifier and app.state.parts.desk.classifier is None:
            # A page opened before would draw itself anew, in the middle of what a test does; tests of that load otherwise.
            time.sleep(0.02)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with listening(tmp_path) as found:
        yield found


# Machines that test are often busy.
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)

TELL_VIOLATIONS = """addEventListener("securitypolicyviolation",
    (event) => console.error(`policy violated: ${event.effectiveDirective} ${event.blockedURI}`))"""


@dataclass
class Watched:
    """A page, and everything it did that it must not do."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def listen(self, address: str) -> None:
        # Said by the page itself, for the browser's own word of it may change.
        self.page.add_init_script(TELL_VIOLATIONS)

        def on_console(message: ConsoleMessage) -> None:
            # The browser's own line for an answer of 4xx is not a fault of the page.
            if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
                self.faults.append(message.text)

        def on_request(request: Request) -> None:
            if not request.url.startswith((address, "data:image", "blob:")):
                self.faults.append(f"asked {request.url}")

        self.page.on("console", on_console)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", on_request)


@contextmanager
def looking(context: BrowserContext, address: str) -> Iterator[Page]:
    """A page that must not complain, nor ask another host for anything."""
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    watched = Watched(page)
    watched.listen(address)
    try:
        yield page
    finally:
        context.close()
    assert not watched.faults, "\n".join(watched.faults)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 720})
    with looking(context, address) as shown:
        yield shown


@pytest.fixture
def plain_page(browser: Browser, address: str) -> Iterator[Page]:
    """Without JavaScript."""
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 720}, java_script_enabled=False)
    with looking(context, address) as shown:
        yield shown
