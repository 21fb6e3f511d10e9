"""Taking an upload in: what the API and the form have in common."""

import hashlib
import time

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.exam_folder import ExamFolder, Wish, room
from app.store import KeptExam, new_id
from app.web.parts import Parts
from app.web.receiving import Upload, check_headers, receive

_EXAMPLE_SLICES, _EXAMPLE_SIZE = 60, 384


async def take_in(
    parts: Parts, request: Request, *, wish: Wish, idempotency_key: str | None = None
) -> tuple[KeptExam, bool]:
    """Receive an exam and put it in line.

    Returns:
        The exam, and whether it is new; with a known idempotency key it is the one sent before.

    Raises:
        ExamError, ServiceError: it cannot be taken.
    """
    limits = parts.settings.limits
    check_headers(request, limits)
    key_hash = _key_hash(request, idempotency_key)
    if key_hash is not None:
        known = await run_in_threadpool(parts.store.find_by_key, key_hash)
        if known is not None:
            return known, False
    await parts.desk.admit()
    exam_id = new_id()
    folder = parts.store.folder(exam_id)
    upload = await receive(request, folder, wish=wish, limits=limits)
    return await run_in_threadpool(_line_up, parts, exam_id, upload, key_hash)


async def take_example(parts: Parts) -> KeptExam:
    """Put a synthetic exam in line, as if it had been sent.

    Raises:
        ServiceError: it cannot be taken.
    """
    await parts.desk.admit()
    exam_id = new_id()
    folder = parts.store.folder(exam_id)
    try:
        upload = await run_in_threadpool(_draw_example, folder)
    except BaseException:
        await run_in_threadpool(folder.erase)
        raise
    kept, _ = await run_in_threadpool(_line_up, parts, exam_id, upload, None)
    return kept


def _draw_example(folder: ExamFolder) -> Upload:
    start = time.perf_counter()
    chest = phantom(slices=_EXAMPLE_SLICES, lesions="many", size=_EXAMPLE_SIZE)
    folder.create()
    names = []
    with room():
        for number, file in enumerate(dicom_files(chest), start=1):
            with folder.new_original(number) as original:
                original.write(file.read())
            names.append(file.name)
    folder.seal(names, Wish(example=True))
    return Upload(len(names), time.perf_counter() - start)


def _line_up(parts: Parts, exam_id: str, upload: Upload, key_hash: str | None) -> tuple[KeptExam, bool]:
    kept = None
    try:
        kept = parts.desk.take(exam_id, files=upload.files, receive_s=upload.receive_s, key_hash=key_hash)
    finally:
        if kept is None or kept.id != exam_id:
            parts.store.folder(exam_id).erase()
    return kept, kept.id == exam_id


def _key_hash(request: Request, key: str | None) -> str | None:
    if not key:
        return None
    client = request.client.host if request.client else ""
    return hashlib.sha256(f"{client}\n{key}".encode()).hexdigest()
