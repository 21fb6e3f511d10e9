"""Gather real foreign pictures, to measure how many of them the gate refuses.

``python -m tests.foreign.gather OUT`` gets the packages of `tests.foreign.picks` by name, turns what
they hold into pictures (DICOM stays DICOM, and becomes a picture too) and writes ``OUT/manifest.csv``
in the form that ``covidct-train`` reads. Nothing of it is the project's: it stays outside the repository.
"""

import argparse
import csv
import io
import plistlib
import re
import struct
import tarfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from nibabel.funcs import as_closest_canonical
from PIL import Image
from scipy import ndimage

from app.ct.windowing import Window
from tests.foreign.packages import Package, fetch
from tests.foreign.picks import PACKAGES, PICKS, Cut, Pick

COLUMNS = ("file", "dataset", "label", "group", "source", "flags")
LONGEST_PX = 1024
SMALLEST_PX = 64
PIXEL_MM = 1.0
"""Volumes are resampled to pixels about this size, so that a 3 mm test volume is a picture of usual size."""

_EMBEDDED = re.compile(rb"RIFF....WEBP|\xff\xd8\xff[\xe0\xe1\xdb]|\x89PNG\r\n\x1a\n", re.DOTALL)


def gather(out: Path, packages: Sequence[Package], picks: Sequence[Pick]) -> tuple[list[dict[str, str]], list[str]]:
    """Write every picture under ``out``.

    Returns:
        The manifest's rows, and the packages that could not be had or held nothing of what was expected.
    """
    contents = {package.name: fetch(package, out / "packages") for package in packages}
    rows, missing = [], [name for name, content in contents.items() if content is None]
    numbers: defaultdict[Path, Iterator[int]] = defaultdict(lambda: count(1))
    for pick in picks:
        content = contents[pick.package]
        if content is None:
            continue
        folder = out / pick.kind / pick.package
        written = list(_write(pick, content, folder, numbers[folder]))
        rows += [_row(pick, path.relative_to(out)) for path in written]
        if not written:
            missing.append(f"{pick.package}: {pick.pattern}")
    return rows, missing


def _row(pick: Pick, file: Path) -> dict[str, str]:
    flags = "dicom" if file.suffix == ".dcm" else ""
    values = (str(file), pick.kind, "0", pick.package, pick.package, flags)
    return dict(zip(COLUMNS, values, strict=True))


def _write(pick: Pick, content: Path, folder: Path, numbers: Iterator[int]) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for source in pick.files(content):
        if source.suffix == ".dcm":
            copy = folder / f"{next(numbers):04d}.dcm"
            copy.write_bytes(source.read_bytes())
            yield copy
        for picture in pictures_of(source, pick):
            path = folder / f"{next(numbers):04d}{'.png' if picture.mode == 'L' else '.jpg'}"
            picture.save(path, quality=90)
            yield path


def pictures_of(source: Path, pick: Pick) -> Iterator[Image.Image]:
    """Every picture that a file holds, as gray (medical) or color."""
    if source.suffix == ".rcc":
        yield from _embedded(source.read_bytes())
    elif source.suffix == ".dcm":
        yield from _dicom(source)
    elif source.name.endswith((".nii.gz", ".inv3")):
        yield from _volume(source, pick)
    elif (picture := _image(source)) is not None:
        yield picture


def _image(source: Path | io.BytesIO) -> Image.Image | None:
    """A picture on white, of a usual size; None where it is none or too small to show anything."""
    try:
        with Image.open(source) as opened:
            picture = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if min(picture.size) < SMALLEST_PX:
        return None
    picture.thumbnail((LONGEST_PX, LONGEST_PX))
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _embedded(content: bytes) -> Iterator[Image.Image]:
    """Pictures in a Qt resource file, where each stands behind its length."""
    for match in _EMBEDDED.finditer(content):
        start = match.start()
        (length,) = struct.unpack(">I", content[start - 4 : start])
        picture = _image(io.BytesIO(content[start : start + length]))
        if picture is not None and min(picture.size) >= 200:
            yield picture


def _dicom(source: Path) -> Iterator[Image.Image]:
    """The middle frame, CT in soft-tissue and lung window, all else from its darkest to its brightest."""
    try:
        data_set = pydicom.dcmread(source)
        values = np.asarray(data_set.pixel_array, dtype=np.float32)
    except (AttributeError, ValueError, RuntimeError, NotImplementedError):
        return
    colors = int(data_set.get("SamplesPerPixel", 1))
    values = values.reshape(-1, data_set.Rows, data_set.Columns, colors)
    middle = values[len(values) // 2].mean(axis=-1)
    if data_set.get("Modality") != "CT":
        yield _full_range(middle)
        return
    hu = middle * float(data_set.get("RescaleSlope", 1)) + float(data_set.get("RescaleIntercept", 0))
    for center, width in ((40.0, 400.0), (-600.0, 1500.0)):
        yield Image.fromarray(Window(center, width).gray(hu))


def _full_range(values: np.ndarray) -> Image.Image:
    low, high = np.percentile(values, [0.5, 99.5])
    return Image.fromarray(Window((low + high) / 2, max(1e-3, high - low)).gray(values))


def _volume(source: Path, pick: Pick) -> Iterator[Image.Image]:
    """Pictures of a volume as a reader sees them: patient's right on the left, front or head up."""
    values, spacing_mm = _project(source) if source.suffix == ".inv3" else _nifti(source)
    if pick.cut is Cut.PROJECTION:
        yield from _projected(values, spacing_mm, pick.most)
        return
    axis = {Cut.SAGITTAL: 0, Cut.CORONAL: 1, Cut.AXIAL: 2}[pick.cut]
    plane = [step for i, step in enumerate(spacing_mm) if i != axis]
    low, high = (round(part * (values.shape[axis] - 1)) for part in pick.part)
    for index in np.unique(np.linspace(low, high, pick.most).astype(int)):
        drawn = ndimage.zoom(np.take(values, index, axis=axis), [step / PIXEL_MM for step in plane], order=1)
        upright = np.ascontiguousarray(drawn.T[::-1])
        for center, width in pick.windows:
            yield Image.fromarray(Window(center, width).gray(upright))
        if not pick.windows:
            yield _full_range(upright)


def _nifti(source: Path) -> tuple[np.ndarray, Sequence[float]]:
    """Values (left, back to front, foot to head) with the patient's right first, and the steps in mm."""
    nearest = as_closest_canonical(nibabel.load(source))
    values = np.asarray(nearest.dataobj, dtype=np.float32)
    values = values[..., 0] if values.ndim == 4 else values
    return values[::-1], [float(step) for step in nearest.header.get_zooms()[:3]]


def _project(source: Path) -> tuple[np.ndarray, Sequence[float]]:
    """The matrix of an InVesalius project, whose form is in its ``main.plist``."""
    with tarfile.open(source) as tar:
        members = {Path(name).name: name for name in tar.getnames()}
        described = plistlib.loads(_member(tar, members["main.plist"]))
        matrix = np.frombuffer(_member(tar, members["matrix.dat"]), described["matrix"]["dtype"])
    values = matrix.reshape(described["matrix"]["shape"]).astype(np.float32)
    return values.transpose(2, 1, 0), described["spacing"]


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    opened = tar.extractfile(name)
    if opened is None:
        raise tarfile.ReadError(f"{name} is no file")
    return opened.read()


def _projected(values: np.ndarray, spacing_mm: Sequence[float], views: int) -> Iterator[Image.Image]:
    """X-rays computed from a CT, turned about the body's long axis."""
    attenuation = np.clip(values + 1000, 0, None) / 1000
    for angle in np.linspace(0, 180, views, endpoint=False):
        turned = ndimage.rotate(attenuation, angle, axes=(0, 1), reshape=False, order=1)
        depth = turned.sum(axis=1) * spacing_mm[1]
        film = ndimage.zoom(1 - np.exp(-0.008 * depth), [spacing_mm[0] / PIXEL_MM, spacing_mm[2] / PIXEL_MM], order=1)
        yield _full_range(np.ascontiguousarray(film.T[::-1]))


def write_manifest(rows: Sequence[dict[str, str]], out: Path) -> None:
    with (out / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Gather real pictures that are no axial chest CT.")
    parser.add_argument("out", type=Path, help="a folder outside the repository")
    out = parser.parse_args().out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows, missing = gather(out, PACKAGES, PICKS)
    write_manifest(rows, out)
    for kind, pictures in sorted(Counter(row["dataset"] for row in rows).items()):
        print(f"{kind:20} {pictures:5}")
    for what in missing:
        print(f"not to be had: {what}")


if __name__ == "__main__":
    main()
