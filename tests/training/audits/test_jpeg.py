from dataclasses import replace

import numpy as np

from app.ct.exam import Exam, InputKind
from tests.training.audits.scorers import a_chest, an_exam_of
from training.audits.jpeg import QUALITY, exports

RNG = np.random.default_rng(0)
EXPORTS = {f"{one.name} {one.strength}": one for one in exports()}


def test_a_dicom_exam_comes_back_as_as_many_pictures_in_order() -> None:
    grays = [a_chest(seed) for seed in range(12)]
    exam = replace(an_exam_of(*grays), kind=InputKind.DICOM)

    exported = EXPORTS[f"{QUALITY} 95"].change(exam, RNG)

    assert (exported.kind, len(exported.slices)) == (InputKind.IMAGES, 12)
    for gray, ct_slice in zip(grays, exported.slices, strict=True):
        assert np.abs(ct_slice.gray.astype(float) - gray).mean() < 4


def test_the_lower_the_quality_the_more_is_lost() -> None:
    exam = an_exam_of(a_chest())

    def lost(quality: int) -> float:
        exported = EXPORTS[f"{QUALITY} {quality}"].change(exam, RNG)
        return float(np.abs(exported.slices[0].gray.astype(float) - exam.slices[0].gray).mean())

    assert 0 < lost(95) < lost(75) < lost(30)


def test_smaller_sizes_are_smaller_and_only_where_there_is_more_to_begin_with() -> None:
    exam = an_exam_of(a_chest())

    half = EXPORTS["JPEG size 50%, q95"].change(exam, RNG)

    assert half.slices[0].gray.shape == (96, 96)
    assert not EXPORTS["JPEG size 256 pixels, q95"].applies(exam)


def test_a_large_picture_is_brought_to_the_size_named() -> None:
    large = Exam.of([replace(an_exam_of(a_chest()).slices[0], gray=np.kron(a_chest(), np.ones((2, 2), np.uint8)))])
    named = EXPORTS["JPEG size 256 pixels, q95"]

    assert named.applies(large)
    assert named.change(large, RNG).slices[0].gray.shape == (256, 256)
