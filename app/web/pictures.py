"""Pictures of a diagnosed exam, drawn when asked for."""

from base64 import b64encode
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from app.ct.heatmap import Box, heatmap_png, image_jpeg, image_png, overlay_png
from app.ct.words import sentence
from app.diagnosing import utc_now
from app.exam_folder import ExamFolder
from app.kept import KeptExam
from app.web.parts import FoundExam, Parts, Wired
from app.web.problems import RESPONSES, NotFound
from app.web.reporting import kept_report
from app.web.schemas import MapList, MapReport

PNG: dict[int | str, dict[str, object]] = {
    200: {"description": "A picture.", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
    **RESPONSES,
}
router = APIRouter(prefix="/api/v1/exams/{exam_id}", tags=["pictures"], responses=PNG, default_response_class=Response)

FORGET = {"Clear-Site-Data": '"cache"'}
"""Tells a browser to drop the pictures that it kept; browsers heed it over TLS and on localhost."""

Index = Annotated[
    int, Path(ge=0, le=99_999, description="The slice, as in the report: 0 at the head where the order is by position.")
]


@router.get("/heatmap.png", summary="The slice with the strongest evidence, map over picture")
async def get_strongest(kept: FoundExam, parts: Wired) -> Response:
    """Overlay of the slice with the strongest evidence."""
    if kept.report is None:
        raise NotFound(sentence("The exam has no pictures: it is not diagnosed."))
    index = kept_report(kept.report).strongest_slice
    return _answer(kept, await run_in_threadpool(_overlay, _folder(parts, kept), index))


@router.get("/slices/{index}/image.png", summary="A slice in the lung window")
async def get_image(kept: FoundExam, parts: Wired, index: Index) -> Response:
    """The slice in gray, the notice along its lower edge; `pixels` is without."""
    return _answer(kept, await run_in_threadpool(_image, _folder(parts, kept), index))


@router.get("/slices/{index}/heatmap.png", summary="A slice's map")
async def get_heatmap(kept: FoundExam, parts: Wired, index: Index) -> Response:
    """The map as 8-bit gray, enlarged to the slice, the notice along its lower edge; `maps` is without."""
    return _answer(kept, await run_in_threadpool(_heatmap, _folder(parts, kept), index))


@router.get("/slices/{index}/overlay.png", summary="A slice with its map over it")
async def get_overlay(kept: FoundExam, parts: Wired, index: Index) -> Response:
    """Slice and map blended."""
    return _answer(kept, await run_in_threadpool(_overlay, _folder(parts, kept), index))


@router.get("/maps", summary="All maps in one", response_class=JSONResponse, responses={200: {"description": "Maps."}})
async def get_maps(kept: FoundExam, parts: Wired) -> MapList:
    """Every scored slice's map on its own grid, for viewers that draw maps themselves."""
    maps = await run_in_threadpool(_folder(parts, kept).maps)
    if not maps:
        raise NotFound(sentence("The exam has no maps: it is not diagnosed."))
    return MapList(maps=[_map_report(index, *maps[index]) for index in sorted(maps)])


@router.get(
    "/slices/{index}/pixels",
    summary="A slice's Hounsfield units",
    response_class=Response,
    responses={
        200: {
            "description": "int16, little endian, row by row; how many rows and columns, the headers say.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {
                "X-Rows": {"schema": {"type": "integer"}},
                "X-Columns": {"schema": {"type": "integer"}},
                "X-Rescale-Slope": {"schema": {"type": "number"}},
                "X-Rescale-Intercept": {"schema": {"type": "number"}},
            },
        }
    },
)
async def get_pixels(kept: FoundExam, parts: Wired, index: Index) -> Response:
    """The values of a DICOM or volume slice, upright as its picture, while they are kept; pictures have none."""
    hu = await run_in_threadpool(_folder(parts, kept).values, index)
    if hu is None:
        raise NotFound(
            sentence("There are no Hounsfield units of this slice: pictures have none, or they are not kept here.")
        )
    rows, columns = hu.shape
    shape = {"X-Rows": f"{rows}", "X-Columns": f"{columns}", "X-Rescale-Slope": "1", "X-Rescale-Intercept": "0"}
    content = hu.astype("<i2", copy=False).tobytes()
    return Response(content, media_type="application/octet-stream", headers=shape | _caching(kept))


@router.get(
    "/slices/{index}/image.jpg",
    summary="A slice in the lung window, compressed",
    responses={
        200: {
            "description": "A picture.",
            "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def get_compressed(kept: FoundExam, parts: Wired, index: Index) -> Response:
    """The slice in gray, as a reader scrolls through it; to compute with, take `pixels` and `maps`."""
    jpeg = await run_in_threadpool(_compressed, _folder(parts, kept), index)
    return Response(jpeg, media_type="image/jpeg", headers=_caching(kept))


def _folder(parts: Parts, kept: KeptExam) -> ExamFolder:
    return parts.store.folder(kept.id)


def _answer(kept: KeptExam, png: bytes) -> Response:
    return Response(png, media_type="image/png", headers=_caching(kept))


def _caching(kept: KeptExam) -> dict[str, str]:
    # The address names an exam that never changes; a browser need not ask again while the exam is kept, and no longer.
    lifetime_s = max(0, int((kept.expires_at - utc_now()).total_seconds()))
    return {"Cache-Control": f"private, max-age={lifetime_s}, immutable"}


def _gray(folder: ExamFolder, index: int) -> np.ndarray:
    gray = folder.gray(index)
    if gray is None:
        raise NotFound(sentence("The exam has no such slice, or is not diagnosed yet."))
    return gray


def _map(folder: ExamFolder, index: int) -> tuple[np.ndarray, Box]:
    found = folder.heat(index)
    if found is None:
        raise NotFound(sentence("This slice was not scored, so it has no map."))
    return found


def _image(folder: ExamFolder, index: int) -> bytes:
    return image_png(_gray(folder, index))


def _map_report(index: int, heat: np.ndarray, box: Box) -> MapReport:
    rows, columns = heat.shape
    places = np.rint(np.clip(heat, 0, 1) * 255).astype(np.uint8)
    return MapReport(slice=index, box=box, rows=rows, columns=columns, heat=b64encode(places.tobytes()).decode())


def _compressed(folder: ExamFolder, index: int) -> bytes:
    return image_jpeg(_gray(folder, index))


def _heatmap(folder: ExamFolder, index: int) -> bytes:
    gray = _gray(folder, index)
    return heatmap_png(*_map(folder, index), (gray.shape[0], gray.shape[1]))


def _overlay(folder: ExamFolder, index: int) -> bytes:
    gray = _gray(folder, index)
    return overlay_png(gray, *_map(folder, index))
