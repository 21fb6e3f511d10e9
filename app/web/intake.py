"""Taking an upload in: what the API and the form have in common."""

import hashlib
import time

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.exam_folder import ExamFolder, Wish
from app.kept import KeptExam, Sent, new_id
from app.storage import room
from app.web.callers import Caller
from app.web.parts import Parts
from app.web.problems import KeyReused
from app.web.receiving import check_headers, receive, sent

_EXAMPLE_SLICES, _EXAMPLE_SIZE = 60, 384


async def take_in(
    parts: Parts, caller: Caller, request: Request, *, wish: Wish, idempotency_key: str | None = None
) -> tuple[KeptExam, bool]:
    """Receive an exam and put it in line.

    Returns:
        The exam, and whether it is new; with a known idempotency key it is the one sent before.

    Raises:
        ExamError, ServiceError, RateLimited: it cannot be taken.
        KeyReused: something else was sent under the idempotency key before.
    """
    limits = parts.settings.limits
    check_headers(request, limits)
    key_hash = _key_hash(caller, idempotency_key)
    is_known = key_hash is not None and await run_in_threadpool(parts.store.find_by_key, key_hash) is not None
    with await parts.desk.admit(is_known=is_known):
        if is_known:
            parts.rates.take_again(caller.name)
        else:
            parts.rates.take_exam(caller.name)
        exam_id = new_id()
        folder = parts.store.folder(exam_id)
        upload = await receive(request, folder, wish=wish, limits=limits)
        kept, is_new = await run_in_threadpool(_line_up, parts, caller, exam_id, upload, key_hash)
    if is_known and is_new:  # The one known was erased while this one came, or its key was given back.
        parts.rates.count_exam(caller.name)
    return kept, is_new


async def take_example(parts: Parts, caller: Caller) -> KeptExam:
    """Put a synthetic exam in line, as if it had been sent.

    Raises:
        ServiceError, RateLimited: it cannot be taken.
    """
    with await parts.desk.admit():
        parts.rates.take_exam(caller.name)
        exam_id = new_id()
        folder = parts.store.folder(exam_id)
        try:
            upload = await run_in_threadpool(_draw_example, folder)
        except BaseException:
            await run_in_threadpool(folder.erase)
            raise
        kept, _ = await run_in_threadpool(_line_up, parts, caller, exam_id, upload, None)
    return kept


def _draw_example(folder: ExamFolder) -> Sent:
    start = time.perf_counter()
    chest = phantom(slices=_EXAMPLE_SLICES, lesions="many", size=_EXAMPLE_SIZE)
    folder.create()
    names, digests, wish = [], bytearray(), Wish(example=True)
    with room():
        for number, file in enumerate(dicom_files(chest), start=1):
            content = file.read()
            with folder.new_original(number) as original:
                original.write(content)
            names.append(file.name)
            digests += hashlib.sha256(content).digest()
    folder.seal(names, wish)
    return sent(names, bytes(digests), wish, since=start)


def _line_up(parts: Parts, caller: Caller, exam_id: str, upload: Sent, key_hash: str | None) -> tuple[KeptExam, bool]:
    kept = None
    try:
        kept = parts.desk.take(exam_id, upload, key_hash=key_hash, owner=caller.owner)
    finally:
        if kept is None or kept.id != exam_id:
            parts.store.folder(exam_id).erase()
    if kept.request_sha256 != upload.request_sha256:
        raise KeyReused
    return kept, kept.id == exam_id


def _key_hash(caller: Caller, key: str | None) -> str | None:
    return hashlib.sha256(f"{caller.name}\n{key}".encode()).hexdigest() if key else None
