"""However an exam is sent, it is read as the same exam; where something is lost on the way, as the stated fallback."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian

from app.ct.exam import Exam, Order, Slice
from app.ct.reading import NamedFile
from app.ct.scores import SliceScores
from app.exam_folder import Wish
from app.service import Diagnosed, DiagnosisService
from app.uploads import Limits
from tests.builders import a_gray
from tests.fakes import FakeClassifier
from tests.proofs.sendings import (
    CODINGS,
    COLUMN_MM,
    POSES,
    ROW_MM,
    SLICES,
    SOFT_SLICES,
    STEP_MM,
    Beside,
    Identifiers,
    Naming,
    Sending,
    Sent,
    Written,
    slice_file,
    stored,
)

CASES = 2000
ORDERED_BY = {
    Order.INSTANCE_NUMBER: "instance number",
    Order.FILE_NAME: "file name",
    Order.UPLOAD: "the order they were sent in",
}
REJECTED = {Beside.LOCALIZER: 1, Beside.SOFT_SERIES: SOFT_SLICES, Beside.DOSE_SHEET: 1, Beside.CAPTURE: 1}
SAID = (Beside.THUMBNAILS, Beside.PICTURE)
POSITION, NUMBER = "ImagePositionPatient", "InstanceNumber"

sendings = st.builds(
    Sending,
    written=st.builds(
        Written,
        pose=st.sampled_from(POSES),
        identifiers=st.sampled_from(Identifiers),
        without=st.sampled_from([(), (), (POSITION,), (NUMBER,), (POSITION, NUMBER)]),
    ),
    codings=st.sampled_from([*((coding,) for coding in CODINGS), CODINGS, CODINGS[1:]]),
    copies=st.sampled_from([*[()] * 5, (0,), (4,), (8,), (2, 3, 9), (1, 6), (5, 5, 5), tuple(range(SLICES))]),
    recoded=st.booleans(),
    naming=st.sampled_from(Naming),
    turned_round=st.booleans(),
    seed=st.none() | st.integers(0, 2**20),
    beside=st.sampled_from([*[frozenset()] * 5, *(frozenset({one}) for one in Beside), frozenset(Beside)]),
)


class ByPixels(FakeClassifier):
    """Every pixel counts, each with another weight: whatever is swapped, mirrored or turned has another score."""

    def _scores(self, exam: Exam, indices: Sequence[int]) -> SliceScores:
        pictures = np.stack([exam.slices[i].gray for i in indices]).astype(np.float64)
        _, height, width = pictures.shape
        weights = np.add.outer(np.linspace(-1, 2, height), np.linspace(-2, 3, width))
        logits = (pictures * weights).mean(axis=(1, 2)) / 40
        return replace(super()._scores(exam, indices), logits=logits.astype(np.float32))


def diagnosed(files: Sequence[NamedFile]) -> Diagnosed:
    service = DiagnosisService(ByPixels(), limits=Limits())
    return service.diagnose(files, spool=Path(tempfile.gettempdir()), wish=Wish(), on_progress=lambda _: None)


@cache
def plain(indices: tuple[int, ...], without: tuple[str, ...]) -> Diagnosed:
    """The slices ``indices`` as plain files in this order, named by number; nothing tells copies."""
    written = Written(identifiers=Identifiers.EMPTY, without=without)
    contents = [slice_file(index, ExplicitVRLittleEndian, written) for index in indices]
    unlike = [content.replace(b"CANARY^PATIENT", b"CANARY^%07d" % place) for place, content in enumerate(contents)]
    return diagnosed([NamedFile(f"{place}.dcm", content) for place, content in enumerate(unlike)])


def by_name(sent: Sequence[Sent]) -> list[Sent]:
    """Where names are alike, in the order of sending."""
    return sorted(sent, key=lambda one: one.rank)


def left_after_copies(sending: Sending, sent: Sequence[Sent]) -> list[Sent]:
    """A copy is known by its SOPInstanceUID, without one by its place and bytes: of the copies, the first by name is left."""
    slices = [one for one in sent if one.index is not None]
    is_empty = sending.written.identifiers is Identifiers.EMPTY
    if is_empty and POSITION in sending.written.without:
        return slices
    first = {one.file.content if is_empty else one.index: one for one in reversed(by_name(slices))}
    return [one for one in slices if first[one.file.content if is_empty else one.index] is one]


def in_order(sending: Sending, left: Sequence[Sent]) -> tuple[Order, list[Sent]]:
    """By position; without them by number, without them by name, where names are alike as sent."""
    without = sending.written.without
    if POSITION not in without or NUMBER not in without:
        order = Order.INSTANCE_NUMBER if POSITION in without else Order.POSITION
        return order, sorted(by_name(left), key=lambda one: one.index or 0)
    return (Order.UPLOAD, list(left)) if sending.naming is Naming.ALIKE else (Order.FILE_NAME, by_name(left))


def of_so_many(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def what_must_be_said(sending: Sending, sent: Sequence[Sent], *, left: int, order: Order) -> list[str]:
    """Sentences that the way of sending must cause, and no others."""
    slices = [one for one in sent if one.index is not None]
    said = [beside.value for beside in SAID if beside in sending.beside]
    unlike = len({one.file.content for one in slices}) if left == SLICES else left
    copies = "{} that is a copy of another slice was left out.", "{} that are copies of other slices were left out."
    for name, count in (("file", len(slices) - unlike), ("slice", unlike - left)):
        if count:
            said.append(of_so_many(count, copies[0].format(name), copies[1].format(f"{name}s")))
    if sending.written.identifiers is Identifiers.WORDS:
        said.append(f"{SLICES - 1} slices share the identifier of another one though they differ: all were kept.")
    if order in ORDERED_BY:
        by = ORDERED_BY[order]
        gaps, head = "missing slices cannot be noticed", "which end is the head is not known"
        end = f", and {gaps}" if order is Order.SLICE_LOCATION else f"; {gaps}, and {head}"
        said.append(f"No usable slice positions: the slices are ordered by {by}{end}.")
    elif left > SLICES:
        said.append(
            of_so_many(
                left - SLICES,
                "slice lies at the position of another one.",
                "slices lie at the position of another one.",
            )
        )
    return said


@settings(max_examples=CASES)
@given(sending=sendings)
def test_an_exam_is_read_as_what_it_is_however_it_is_sent(sending: Sending) -> None:
    sent = sending.sent()
    left = left_after_copies(sending, sent)
    order, expected = in_order(sending, left)
    indices = tuple(one.index for one in expected)

    found = diagnosed([one.file for one in sent])

    reference = plain(indices, sending.written.without)
    exam = found.exam
    assert (exam.order, exam.files, len(exam.slices)) == (order, len(sent), len(indices))
    assert [sent[s.file_number - 1].index for s in exam.slices] == list(indices)
    assert all(np.array_equal(s.gray, a_gray(stored()[i])) for s, i in zip(exam.slices, indices, strict=True))
    assert {s.pixel_spacing_mm for s in exam.slices} == {(ROW_MM, COLUMN_MM)}
    assert found.diagnosis == reference.diagnosis
    assert found.scores.indices == reference.scores.indices
    assert np.array_equal(found.scores.logits, reference.scores.logits)
    said = what_must_be_said(sending, sent, left=len(left), order=order)
    assert list(found.warnings) == [*said, *reference.coverage.warnings]
    check_places(exam, indices)
    check_choice(exam, sending)


def check_places(exam: Exam, indices: Sequence[int]) -> None:
    """Positions lie along the normal of the slices, as far apart as the slices are."""
    if exam.order is Order.POSITION:
        z_mm = np.array([s.z_mm for s in exam.slices])
        assert np.allclose(z_mm - z_mm[0], -STEP_MM * np.array(indices), atol=0.01)
    else:
        assert {s.z_mm for s in exam.slices} == {None}


def check_choice(exam: Exam, sending: Sending) -> None:
    """The lung series is taken, and all else is said to be left out, with its reason."""
    assert exam.series is not None
    rejected = {(series.slices, series.why) for series in exam.series.rejected}
    assert rejected == {(count, beside.value) for beside, count in REJECTED.items() if beside in sending.beside}
    soft = Beside.SOFT_SERIES in sending.beside
    assert exam.series.why == ("lung kernel" if soft else "the only axial CT series")


def test_the_plain_exam_is_the_phantom_head_first() -> None:
    found = plain(tuple(range(SLICES)), ())

    assert [s.instance_number for s in found.exam.slices] == list(range(1, SLICES + 1))
    assert found.exam.warnings == ()
    assert len(found.scores.indices) > SLICES // 2


def test_every_swapped_mirrored_or_turned_slice_has_another_score() -> None:
    gray = [a_gray(pixels) for pixels in stored()]
    scored = ByPixels()._scores
    variants = [variant for g in gray for variant in (g, g[::-1], g[:, ::-1], g[::-1, ::-1])]

    logits = [float(scored(Exam.of([Slice(v.copy())]), [0]).logits[0]) for v in variants]

    assert len(set(logits)) == len(variants)
