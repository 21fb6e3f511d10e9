"""The drawn foreign pictures are what they are said to be, and the same every time."""

import io

import numpy as np
import pydicom
import pytest

from tests.foreign.generated import PICTURES, Upload, pictures, tagged_exams, untagged_exams

ONCE = range(2)


def contents(upload: Upload) -> list[bytes]:
    return [file.read() for file in upload.files]


def test_the_same_seed_draws_the_same_files_and_another_seed_others():
    first, again = ([contents(upload) for upload in pictures(ONCE)] for _ in range(2))

    assert first == again
    assert len({content for (content,) in first}) == len(PICTURES) * len(ONCE)


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_has_a_size_people_send_and_pixels_of_eight_bits(kind: str):
    drawn = PICTURES[kind](np.random.default_rng(1))

    assert drawn.dtype == np.uint8
    assert drawn.shape[2:] in ((), (3,))
    assert 200 <= min(drawn.shape[:2]) <= max(drawn.shape[:2]) <= 720


@pytest.mark.parametrize("kind", sorted(set(PICTURES) - {"blank"}))
def test_a_picture_shows_something(kind: str):
    drawn = PICTURES[kind](np.random.default_rng(0))

    assert drawn.std() > 3


def test_tagged_exams_say_which_machine_they_are_from():
    said = {pydicom.dcmread(io.BytesIO(contents(upload)[0])).Modality for upload in tagged_exams(range(1))}

    assert said == {"MR", "CR", "DX", "US", "PT"}


def test_only_what_they_show_tells_that_untagged_exams_are_not_of_the_chest():
    exams = [upload for upload in untagged_exams(range(1)) if upload.kind.startswith("dicom-")]
    slices = [pydicom.dcmread(io.BytesIO(content)) for upload in exams for content in contents(upload)]

    assert {one.Modality for one in slices} == {"CT"}
    assert not any("BodyPartExamined" in one or "StudyDescription" in one for one in slices)
