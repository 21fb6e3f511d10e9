"""Pictures of a diagnosed exam, drawn when asked for."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Response
from starlette.concurrency import run_in_threadpool

from app.ct.heatmap import Box, heatmap_png, image_png, overlay_png
from app.exam_folder import ExamFolder
from app.store import KeptExam
from app.web.parts import FoundExam, Parts, Wired
from app.web.problems import MEDIA_TYPE, NotFound, Problem
from app.web.reporting import kept_report

PNG: dict[int | str, dict[str, object]] = {
    200: {"description": "A picture.", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
    "default": {"model": Problem, "description": "A problem (RFC 9457).", "content": {MEDIA_TYPE: {}}},
}
router = APIRouter(prefix="/api/v1/exams/{exam_id}", tags=["pictures"], responses=PNG, default_response_class=Response)

Index = Annotated[int, Path(ge=0, le=99_999, description="The slice, 0 at the head.")]


@router.get("/heatmap.png", summary="The slice with the strongest evidence, map over picture")
async def get_strongest(kept: FoundExam, parts: Wired) -> Response:
    """Overlay of the slice with the strongest evidence."""
    if kept.report is None:
        raise NotFound("The exam has no pictures: it is not diagnosed.")
    index = kept_report(kept.report).strongest_slice
    return _answer(kept, await run_in_threadpool(_overlay, _folder(parts, kept), index))


@router.get("/slices/{index}/image.png", summary="A slice in the lung window")
async def get_image(kept: FoundExam, parts: Wired, index: Index) -> Response:
    """The slice in gray."""
    return _answer(kept, await run_in_threadpool(_image, _folder(parts, kept), index))


@router.get("/slices/{index}/heatmap.png", summary="A slice's map")
async def get_heatmap(kept: FoundExam, parts: Wired, index: Index) -> Response:
    """The map as 8-bit gray, enlarged to the slice."""
    return _answer(kept, await run_in_threadpool(_heatmap, _folder(parts, kept), index))


@router.get("/slices/{index}/overlay.png", summary="A slice with its map over it")
async def get_overlay(kept: FoundExam, parts: Wired, index: Index) -> Response:
    """Slice and map blended."""
    return _answer(kept, await run_in_threadpool(_overlay, _folder(parts, kept), index))


def _folder(parts: Parts, kept: KeptExam) -> ExamFolder:
    return parts.store.folder(kept.id)


def _answer(kept: KeptExam, png: bytes) -> Response:
    # The address names an exam that never changes; a browser need not ask again while the exam is kept.
    lifetime_s = int((kept.expires_at - kept.created_at).total_seconds())
    caching = {"Cache-Control": f"private, max-age={lifetime_s}, immutable"}
    return Response(png, media_type="image/png", headers=caching)


def _gray(folder: ExamFolder, index: int) -> np.ndarray:
    gray = folder.gray(index)
    if gray is None:
        raise NotFound("The exam has no such slice, or is not diagnosed yet.")
    return gray


def _map(folder: ExamFolder, index: int) -> tuple[np.ndarray, Box]:
    found = folder.heat(index)
    if found is None:
        raise NotFound("This slice was not scored, so it has no map.")
    return found


def _image(folder: ExamFolder, index: int) -> bytes:
    return image_png(_gray(folder, index))


def _heatmap(folder: ExamFolder, index: int) -> bytes:
    gray = _gray(folder, index)
    return heatmap_png(*_map(folder, index), (gray.shape[0], gray.shape[1]))


def _overlay(folder: ExamFolder, index: int) -> bytes:
    gray = _gray(folder, index)
    return overlay_png(gray, *_map(folder, index))
