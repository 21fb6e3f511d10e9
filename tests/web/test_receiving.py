"""The names of the files in a form, as clients write them."""

from base64 import b64encode
from pathlib import Path

import pytest
from fastapi import Request

from app.exam_folder import ExamFolder, Wish
from app.uploads import Limits
from app.web.problems import InvalidRequest
from app.web.receiving import receive

pytestmark = pytest.mark.anyio
LUNG = "utf-8''%E8%82%BA.jpg"
WORD = f"=?utf-8?B?{b64encode('肺.jpg'.encode()).decode()}?="


async def name_noted(folder: Path, parameters: str) -> str:
    """What is kept of the name of a form's only file."""
    body = f'--x\r\nContent-Disposition: form-data; name="files"; {parameters}\r\n\r\nabc\r\n--x--\r\n'.encode()

    async def come() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "headers": [(b"content-type", b"multipart/form-data; boundary=x")]}
    exam = ExamFolder(folder / "exam")
    await receive(Request(scope, come), exam, wish=Wish(), limits=Limits())
    (file,), _ = exam.request()
    assert (exam.originals / "000001").read_bytes() == b"abc"
    return file.name


@pytest.mark.parametrize(
    "parameters",
    [
        f"filename*={LUNG}",
        f'filename="plain.jpg"; filename*={LUNG}',
        f'FileName*=UTF-8{LUNG[5:]}; filename="plain.jpg"',
        f'filename="{WORD}"; filename*={LUNG}',
        f'filename="{WORD}"',
        "filename*=gb18030'zh'%B7%CE.jpg",
        'filename="=?utf-8?Q?=E8=82?= =?utf-8?Q?=BA.jpg?="',
        'filename="肺.jpg"',
    ],
)
async def test_a_name_is_read_however_it_is_written(tmp_path: Path, parameters: str) -> None:
    assert await name_noted(tmp_path, parameters) == "肺.jpg"


@pytest.mark.parametrize(
    "extended",
    ["", "a.jpg", "utf-8'a.jpg", "utf-8''", "utf-8''%E8%82", "utf-8''%ZZ", "rot13''a.jpg", "utf-7''+2AA-", "x\0''a"],
)
async def test_an_extended_name_that_cannot_be_read_leaves_the_plain_one(tmp_path: Path, extended: str) -> None:
    assert await name_noted(tmp_path, f'filename="plain.jpg"; filename*={extended}') == "plain.jpg"


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?B?6II=?=",
        "=?utf-8?B?A?=",
        "=?rot13?B?YQ==?=",
        "=?utf-8?X?YQ==?=",
        "a =?utf-8?B?YQ==?=",
        "a; filename*=utf-8''b.jpg",
    ],
)
async def test_a_plain_name_that_is_not_encoded_stays_as_it_is(tmp_path: Path, name: str) -> None:
    assert await name_noted(tmp_path, f'filename="{name}"') == name


@pytest.mark.parametrize("name", ["../../../a.jpg", "/etc/a.jpg", "a\0b"])
async def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    coded = "".join(f"%{byte:02X}" for byte in name.encode())

    assert await name_noted(tmp_path, f"filename*=utf-8''{coded}") == name


@pytest.mark.parametrize("parameters", ["filename*=utf-8''%E8%82", f"filename*=utf-8''{5000 * 'a'}"])
async def test_what_has_no_name_that_can_be_read_is_refused(tmp_path: Path, parameters: str) -> None:
    with pytest.raises(InvalidRequest):
        await name_noted(tmp_path, parameters)

    assert not (tmp_path / "exam").exists()
