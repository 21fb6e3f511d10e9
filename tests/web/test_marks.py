"""What a plain upload handler does not survive, sent over real connections to workers: each is refused, and bounded."""

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from app.ct.reading.parsing import MAX_INFLATED_BYTES
from tests.builders import a_dicom, a_jpeg
from tests.ct.reading.test_damage import deflated
from tests.web.conftest import Upload
from tests.web.listening import Port, all_said, connected, listening, status_of


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    with listening(tmp_path_factory.mktemp("marks"), workers=1) as port:
        yield port


def sent(port: Port, *contents: bytes) -> tuple[int, str]:
    """Status and code of the answer to an upload; the service lives on."""
    files = [("files", ("a", content)) for content in contents]
    answer = httpx.post(f"http://127.0.0.1:{port}/api/v1/exams", files=files, timeout=120)
    assert httpx.get(f"http://127.0.0.1:{port}/livez", timeout=60).status_code == 200
    return answer.status_code, answer.json().get("code", "")


def test_half_a_megabyte_of_deflated_dicom_does_not_become_gigabytes(port: Port) -> None:
    bomb = deflated(bytes(8 * MAX_INFLATED_BYTES))

    assert len(bomb) < 2**20
    assert sent(port, bomb) == (413, "too-large")


def test_a_jpeg_of_169_megapixels_is_not_decoded(port: Port) -> None:
    written = io.BytesIO()
    Image.fromarray(np.zeros((13_000, 13_000), np.uint8)).save(written, "JPEG")

    assert len(written.getvalue()) < 3 * 2**20
    assert sent(port, written.getvalue()) == (413, "too-large")


@pytest.mark.parametrize("whole", [a_dicom(), a_jpeg()])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_empty_and_truncated_files_are_refused(port: Port, whole: bytes, share: float) -> None:
    status, code = sent(port, whole[: int(share * len(whole))])

    assert (status, code) in ((422, "unreadable"), (422, "no-files"))


def test_a_body_without_end_is_answered_once_it_is_too_long_and_cut_off(tmp_path: Path) -> None:
    with (
        listening(tmp_path / "data", max_upload_mb=1, body_timeout_s=0.5) as port,
        connected(port) as connection,
    ):
        head = b"POST /api/v1/exams HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall(head + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n")
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))

        def pour() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection.sendall(b"10000\r\n" + bytes(2**16) + b"\r\n")

        pouring = threading.Thread(target=pour)
        pouring.start()
        said = all_said(connection)
        pouring.join()

        assert status_of(said) == 413
        assert list((tmp_path / "data" / "exams").iterdir()) == []


def test_after_all_that_an_exam_is_diagnosed(port: Port, upload: Upload) -> None:
    assert httpx.post(f"http://127.0.0.1:{port}/api/v1/exams", files=upload, timeout=120).status_code == 201
