"""Every coding that the reader takes is measured, through the reader itself, or said not to be."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from app.ct.phantom import Phantom, phantom
from app.ct.reading import NamedFile, read_exam
from app.ct.reading.syntaxes import DECODERS
from app.ct.workers import ON_THE_SPOT
from app.ct.workers.pool import WorkerPool
from tests.bench import codings
from tests.bench.codings import CODINGS, NO_ENCODER, coded, found
from tests.bench.decoders import HEADERS, HERE, POOL, Decoding, decoder_figures, decoders_table, measure_decoders
from tests.bench.parts import thinned

LOSSY = ("DICOM JPEG baseline", "DICOM JPEG-LS near", "DICOM JPEG 2000 lossy", codings.JPEG)
OF_ITS_OWN_SIZE = codings.JPEG_LARGE


def a_chest() -> Phantom:
    return phantom(slices=3, size=64)


def syntax_of(file: NamedFile) -> str:
    with file.open() as opened:
        return str(pydicom.dcmread(opened, stop_before_pixels=True).file_meta.TransferSyntaxUID)


def test_every_syntax_that_is_read_is_measured_or_named(tmp_path: Path) -> None:
    written = [coded(a_chest(), coding, tmp_path / coding) for coding in CODINGS]

    measured = {syntax_of(exam.files[0]) for exam in written if exam.is_dicom}

    assert measured | {str(s) for syntaxes in NO_ENCODER.values() for s in syntaxes} == set(map(str, DECODERS))


@pytest.mark.parametrize("coding", [c for c in CODINGS if c != OF_ITS_OWN_SIZE])
def test_a_coding_keeps_the_picture(tmp_path: Path, coding: str) -> None:
    chest = a_chest()
    plain = read_exam(coded(chest, codings.RAW, tmp_path / "plain").files)

    read = read_exam(coded(chest, coding, tmp_path / "coded").files)

    off = [np.abs(a.gray.astype(int) - b.gray).mean() for a, b in zip(read.slices, plain.slices, strict=True)]
    assert max(off) <= (10 if coding in LOSSY else 0)


def test_figures_of_papers_are_larger(tmp_path: Path) -> None:
    exam = read_exam(coded(a_chest(), codings.JPEG_LARGE, tmp_path / "large").files)

    assert {s.gray.shape for s in exam.slices} == {(762, 1001)}


def test_a_smaller_exam_is_spread_over_the_larger(tmp_path: Path) -> None:
    exam = coded(phantom(slices=9, size=32), codings.RAW, tmp_path / "raw")

    assert [f.name for f in exam.thinned(3).files] == ["IM0001.dcm", "IM0004.dcm", "IM0007.dcm"]
    assert [f.name for f in exam.thinned(1).files] == ["IM0005.dcm"]
    assert found(tmp_path / "raw", codings.RAW) == exam


def test_a_thinned_chest_keeps_its_range() -> None:
    chest = phantom(slices=9, size=32)

    few = thinned(chest, 3)

    assert len(few.hu) == 3
    assert few.spacing_mm[0] == pytest.approx(3 * chest.spacing_mm[0])


def test_every_coding_is_read_in_every_way(tmp_path: Path) -> None:
    exams = [coded(a_chest(), coding, tmp_path / coding) for coding in (codings.RAW, codings.JPEG)]

    with WorkerPool(1) as pool:
        measured = measure_decoders(exams, workers=pool, rounds=1, on_round=lambda _: None)

    assert [(d.coding, d.way) for d in measured] == [
        (codings.RAW, HEADERS),
        (codings.RAW, HERE),
        (codings.RAW, POOL),
        (codings.JPEG, HERE),
        (codings.JPEG, POOL),
    ]
    assert all(ms > 0 for d in measured for ms in d.ms_per_slice)


def test_codings_without_an_encoder_have_a_row_too() -> None:
    measured = [Decoding(codings.JPEG, way, 40.0, ms) for way, ms in ((HERE, (4.0, 4.2)), (POOL, (2.0, 2.2)))]

    table = decoders_table(measured, slices=3, processes=2)

    assert table.rows[0] == (codings.JPEG, "40.0", "", "4.10 (4.00 to 4.20)", "2.10 (2.00 to 2.20)", "1.91")
    assert [row[0] for row in table.rows[1:]] == list(NO_ENCODER)
    assert [f.name for f in decoder_figures(measured)] == [f"reading: JPEG 512, {way}" for way in (HERE, POOL)]


def test_reading_here_needs_no_processes(tmp_path: Path) -> None:
    exam = coded(a_chest(), codings.PNG, tmp_path / "png")

    measured = measure_decoders([exam], workers=ON_THE_SPOT, rounds=1, on_round=lambda _: None)

    assert len(measured) == 2
