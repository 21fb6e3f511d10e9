"""How much of the lung looks affected, against cases made by hand."""

import json

import numpy as np
import pytest

from app.ct.affected import LungAreas, affected_of, exam_estimate, lung_areas, slice_estimates
from app.ct.classifier import lung_on_grid
from app.ct.manifest import Manifest
from app.ct.phantom import phantom
from app.ct.preprocessing import make_preprocessor
from tests.fakes import a_manifest, an_affected_spec

BOX = np.array([[0, 0, 100, 200]])


def an_evidence(*places: tuple[int, int]) -> np.ndarray:
    """Ten by ten places, those named full of evidence."""
    evidence = np.zeros((1, 10, 10), np.float32)
    for row, column in places:
        evidence[0, row, column] = 0.9
    return evidence


def areas_of(evidence: np.ndarray, lung: np.ndarray, *, found: bool = True) -> LungAreas:
    return lung_areas(evidence, lung, BOX, found=np.array([found]), threshold=0.5)


def left_half() -> np.ndarray:
    lung = np.zeros((1, 10, 10), np.float32)
    lung[:, :, :5] = 1
    return lung


def test_areas_are_pixels_of_the_slice():
    found = areas_of(an_evidence((0, 0), (0, 1)), left_half())

    assert (float(found.lung[0]), float(found.affected[0])) == (10_000, 400)


def test_what_looks_affected_is_lung_even_where_no_lung_was_found():
    inside, beside = areas_of(an_evidence((5, 1)), left_half()), areas_of(an_evidence((5, 8)), left_half())

    assert inside.affected == beside.affected
    assert beside.lung == inside.lung + inside.affected


def test_a_slice_without_lungs_has_no_estimate():
    found = areas_of(an_evidence((0, 0)), np.ones((1, 10, 10), np.float32), found=False)

    assert slice_estimates(found, an_affected_spec()) == (None,)
    assert exam_estimate(found, an_affected_spec()) is None


@pytest.mark.parametrize("affected", [0.0, 30.0, 400.0, 1000.0])
def test_an_estimate_lies_in_its_band_and_the_band_in_0_to_1(affected: float):
    (found,) = slice_estimates(LungAreas(np.array([1000.0]), np.array([affected])), an_affected_spec(slope=1.4))

    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_the_error_grows_with_the_share_and_never_vanishes():
    none, some, much = slice_estimates(LungAreas(np.full(3, 100.0), np.array([0.0, 10.0, 40.0])), an_affected_spec())

    assert none is not None
    assert some is not None
    assert much is not None
    assert 0 < none.high - none.value < some.high - some.value < much.high - much.value


def test_an_exam_is_its_slices_by_their_area():
    areas = LungAreas(np.array([100.0, 300.0]), np.array([100.0, 0.0]))

    alike = exam_estimate(areas, an_affected_spec())
    in_mm2 = exam_estimate(areas, an_affected_spec(), pixel_mm2=[3.0, 1.0])
    unknown = exam_estimate(areas, an_affected_spec(), pixel_mm2=[3.0, None])

    assert alike is not None
    assert in_mm2 is not None
    assert (alike.value, in_mm2.value) == (0.25, 0.5)
    assert unknown == alike


def test_few_slices_are_no_exam_so_their_error_is_wider():
    def half(slices: int) -> float:
        found = exam_estimate(LungAreas(np.full(slices, 10.0), np.full(slices, 2.0)), an_affected_spec())
        assert found is not None
        return found.high - found.value

    assert half(1) == pytest.approx(2 * half(4))
    assert half(4) == half(60)


@pytest.mark.parametrize("lung", [[100.0], [0.0, 100.0]])
def test_where_one_slice_is_all_there_is_its_share_is_told_once(lung: list[float]):
    areas = LungAreas(np.array(lung), 0.02 * np.array(lung))

    found = affected_of(areas, an_affected_spec(slice_error=0.1, exam_error=0.2), pixel_mm2=[None] * len(lung))

    assert found.exam is not None
    assert [one for one in found.slices if one is not None] == [found.exam]
    assert found.exam.high - found.exam.value == pytest.approx(0.2 * np.sqrt(0.03))


def test_parts_are_joined_and_put_in_order():
    one, other = LungAreas(np.array([1.0]), np.array([0.1])), LungAreas(np.array([2.0, 3.0]), np.array([0.2, 0.3]))

    assert LungAreas.joined([one, other]).at(np.array([2, 0])).lung.tolist() == [3.0, 1.0]


def test_a_model_that_does_not_estimate_says_nothing():
    found = affected_of(None, None, pixel_mm2=[None, 1.0])

    assert (found.slices, found.exam) == ((None, None), None)


def test_a_manifest_without_the_estimate_is_what_it_was():
    manifest = a_manifest()

    told = json.loads(manifest.model_dump_json())

    assert "affected" not in told
    assert Manifest.model_validate(told).affected is None


def test_the_estimate_is_part_of_what_names_the_model():
    plain, estimating = a_manifest(), a_manifest(affected=an_affected_spec())

    assert Manifest.model_validate_json(estimating.model_dump_json()) == estimating
    assert plain.sha256 != estimating.sha256
    assert plain.judgement_sha256 != estimating.judgement_sha256


@pytest.mark.parametrize("lesions", [0, 8, 40])
def test_a_map_that_sees_every_lesion_measures_a_phantom_right(lesions: int):
    drawn, preprocessor = phantom(slices=9, lesions=lesions, seed=4, size=192), make_preprocessor("lung-box", 152)
    exam = drawn.exam()
    prepared = [preprocessor(exam.slices[k]) for k in (3, 4, 5)]
    evidence = np.stack([_cropped(drawn.lesions[k], p.box, 38) for k, p in zip((3, 4, 5), prepared, strict=True)])
    boxes = np.array([p.box for p in prepared])
    areas = lung_areas(evidence, lung_on_grid(prepared, (38, 38)), boxes, found=np.array([True] * 3), threshold=0.5)

    found = exam_estimate(areas, an_affected_spec())

    assert found is not None
    true = drawn.lesions[3:6].sum() / drawn.lungs[3:6].sum()
    assert found.value == pytest.approx(true, abs=0.02)
    assert drawn.affected_share()[4] == drawn.lesions[4].sum() / drawn.lungs[4].sum()


def _cropped(mask: np.ndarray, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    from PIL import Image

    top, left, bottom, right = box
    picture = Image.fromarray(mask[top:bottom, left:right].astype(np.float32))
    return np.asarray(picture.resize((size, size), resample=Image.Resampling.BOX))
