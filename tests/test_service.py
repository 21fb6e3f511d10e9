"""From files to a diagnosis."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.course import Course, Erased, Reading, Scoring
from app.ct.diagnosis import HeldBack, JudgedBy, Verdict
from app.ct.errors import NoFiles, NoLung, NotChest, UnlikeTraining
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.ct.precision import Precision
from app.ct.reading import NamedFile, read_exam
from app.exam_folder import Wish
from app.service import Diagnosed, DiagnosisService
from app.uploads import Limits
from tests.builders import a_dicom_exam, a_png, a_zip, files, written_on
from tests.fakes import FakeClassifier, a_manifest
from tests.volumes import a_cut, a_nifti


@pytest.fixture(scope="module")
def chest() -> list[NamedFile]:
    return list(dicom_files(phantom(slices=31, lesions="few", size=128)))


def diagnosed(
    files: list[NamedFile],
    spool: Path,
    *,
    classifier: FakeClassifier | None = None,
    wish: Wish | None = None,
    on_progress: Callable[[Reading | Scoring], None] = lambda _: None,
    on_read: Callable[[], None] = lambda: None,
) -> Diagnosed:
    service = DiagnosisService(classifier or FakeClassifier(), limits=Limits())
    return service.diagnose(files, spool=spool, wish=wish or Wish(), on_progress=on_progress, on_read=on_read)


def test_files_become_a_diagnosis(chest: list[NamedFile], tmp_path: Path) -> None:
    found = diagnosed(chest, tmp_path)

    assert found.diagnosis.verdict is Verdict.COVID_19
    assert len(found.exam.slices) == 31
    assert 0 < len(found.scores.indices) <= 31
    assert found.timing.read > 0


def test_the_order_of_the_upload_does_not_matter(chest: list[NamedFile], tmp_path: Path) -> None:
    assert diagnosed(chest[::-1], tmp_path).diagnosis == diagnosed(chest, tmp_path).diagnosis


def test_progress_ends_at_the_probability_of_the_diagnosis(chest: list[NamedFile], tmp_path: Path) -> None:
    told: list[Reading | Scoring] = []

    found = diagnosed(chest, tmp_path, on_progress=told.append)

    last = told[-1]
    assert told[0] == Reading()
    assert told[1] == Scoring(0, len(found.scores.indices))
    assert isinstance(last, Scoring)
    assert last.scored == last.to_score
    assert last.probability == pytest.approx(found.diagnosis.probability)


@pytest.mark.parametrize(("on_gpu", "slices", "most"), [(False, 5, 5), (True, 5, 5), (True, 0, 31), (False, None, 31)])
def test_as_many_slices_are_scored_as_wished(
    chest: list[NamedFile], tmp_path: Path, on_gpu: bool, slices: int | None, most: int
) -> None:
    found = diagnosed(chest, tmp_path, classifier=FakeClassifier(on_gpu=on_gpu), wish=Wish(slices=slices))

    assert len(found.scores.indices) <= most
    assert len(found.scores.indices) >= min(5, most)


def test_one_scored_slice_of_an_exam_is_judged_by_the_exam_rule(chest: list[NamedFile], tmp_path: Path) -> None:
    of_many = diagnosed(chest, tmp_path, wish=Wish(slices=1))
    (tmp_path / "one").mkdir()
    alone = diagnosed(chest[12:13], tmp_path / "one")

    assert len(of_many.scores.indices) == len(alone.scores.indices) == 1
    assert of_many.diagnosis.judged_by is JudgedBy.EXAM_RULE
    assert alone.diagnosis.judged_by is JudgedBy.IMAGE_THRESHOLD


def test_scored_slices_without_lungs_are_warned_of(chest: list[NamedFile], tmp_path: Path) -> None:
    found = diagnosed(chest, tmp_path, classifier=FakeClassifier(lungs_lost=13))
    lost, scored = sum(index < 13 for index in found.scores.indices), len(found.scores.indices)

    assert 0 < lost < scored
    assert found.warnings == (f"On {lost} of {scored} scored slices the lungs were not found; they were scored whole.",)


def test_where_all_lungs_were_found_nothing_is_warned_of(chest: list[NamedFile], tmp_path: Path) -> None:
    assert diagnosed(chest, tmp_path).warnings == ()


def test_a_gap_within_the_lungs_leaves_a_verdict_inconclusive_and_is_warned_of(
    chest: list[NamedFile], tmp_path: Path
) -> None:
    found = diagnosed(chest[:15] + chest[17:], tmp_path)

    assert (found.diagnosis.verdict, found.diagnosis.held_back) == (Verdict.INCONCLUSIVE, HeldBack.GAP_IN_LUNGS)
    assert found.diagnosis.probability > found.diagnosis.band[1]
    assert found.warnings[-1].startswith("Slices are missing within the lungs: neighboring slices lie up to 30.0 mm")


def test_a_gap_beside_the_lungs_changes_no_verdict(chest: list[NamedFile], tmp_path: Path) -> None:
    by_number = sorted(chest, key=lambda file: file.name)
    found = diagnosed([*by_number[:27], *by_number[29:]], tmp_path)

    assert (found.diagnosis.verdict, found.diagnosis.held_back) == (Verdict.COVID_19, None)


def test_lungs_that_go_on_beyond_the_exam_are_warned_of(chest: list[NamedFile], tmp_path: Path) -> None:
    by_number = sorted(chest, key=lambda file: file.name)

    assert any("may not show the whole lungs" in warning for warning in diagnosed(by_number[:16], tmp_path).warnings)


def test_of_a_single_image_nobody_expects_the_whole_lungs(chest: list[NamedFile], tmp_path: Path) -> None:
    middle = sorted(chest, key=lambda file: file.name)[15]

    assert diagnosed([middle], tmp_path).warnings == ()


@pytest.mark.parametrize("unlike", [range(24), range(11, 24), range(15)])
def test_an_exam_unlike_training_is_refused_and_no_probability_is_told_once_a_slice_is_far(
    chest: list[NamedFile], tmp_path: Path, unlike: range
) -> None:
    told: list[Reading | Scoring] = []

    with pytest.raises(UnlikeTraining):
        diagnosed(chest, tmp_path, classifier=FakeClassifier(unlike=unlike), on_progress=told.append)

    steps = [step for step in told if isinstance(step, Scoring)]
    assert {step.probability for step in steps if step.scored > unlike.start} <= {None}
    assert steps[-1].scored < steps[-1].to_score


def test_an_exam_is_no_longer_scored_once_it_is_certain_to_be_refused(chest: list[NamedFile], tmp_path: Path) -> None:
    told: list[Reading | Scoring] = []
    wish = Wish(slices=10)

    with pytest.raises(UnlikeTraining):
        diagnosed(chest, tmp_path, classifier=FakeClassifier(unlike=range(24)), wish=wish, on_progress=told.append)

    assert [step.scored for step in told if isinstance(step, Scoring)] == [0]


def test_a_few_slices_unlike_training_are_warned_of(chest: list[NamedFile], tmp_path: Path) -> None:
    found = diagnosed(chest, tmp_path, classifier=FakeClassifier(unlike=range(8)))
    far = sum(index < 8 for index in found.scores.indices)

    assert far > 0
    assert any(warning.startswith(f"{far} of {len(found.scores.indices)} scored") for warning in found.warnings)


def test_an_exam_that_shows_less_lung_than_the_model_wants_is_refused(chest: list[NamedFile], tmp_path: Path) -> None:
    classifier = FakeClassifier(manifest=a_manifest(least_lung_area=0.9))

    with pytest.raises(NoLung):
        diagnosed(chest, tmp_path, classifier=classifier)


def test_an_exam_without_lung_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoLung):
        diagnosed(files(*a_dicom_exam()), tmp_path)


def test_an_upload_without_slices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoFiles):
        diagnosed([], tmp_path)


def test_an_exam_that_names_another_body_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotChest):
        diagnosed(files(*a_dicom_exam(BodyPartExamined="HEAD")), tmp_path)


def test_a_cancelled_course_stops_the_diagnosis(chest: list[NamedFile], tmp_path: Path) -> None:
    course = Course()
    course.cancel()

    with pytest.raises(Erased):
        diagnosed(chest, tmp_path, on_progress=course.step)


@pytest.mark.parametrize(("slices", "said"), [(1, True), (15, True), (16, False), (None, False)])
def test_a_verdict_of_few_slices_says_so(
    chest: list[NamedFile], tmp_path: Path, slices: int | None, *, said: bool
) -> None:
    found = diagnosed(chest, tmp_path, wish=Wish(slices=slices))

    assert any("as was asked" in sentence for sentence in found.warnings) is said


def test_a_small_exam_that_is_scored_whole_is_none_of_few_slices(chest: list[NamedFile], tmp_path: Path) -> None:
    found = diagnosed(chest[14:17], tmp_path, wish=Wish(slices=3))

    assert not any("as was asked" in sentence for sentence in found.warnings)


def test_an_erased_exam_is_not_unpacked_to_its_end(chest: list[NamedFile], tmp_path: Path) -> None:
    course = Course()
    archive = a_zip([(f.name, f.read()) for f in chest])

    def goes_on() -> None:
        course.cancel()
        course.touch()

    with pytest.raises(Erased):
        diagnosed(files(archive), tmp_path, on_read=goes_on)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]


def test_every_plane_of_a_volume_tells_that_reading_goes_on() -> None:
    told: list[None] = []

    chest = phantom(slices=31, size=128)
    volume = a_nifti(a_cut(chest.hu, spacing_mm=chest.spacing_mm))

    read_exam(files(volume), on_read=lambda: told.append(None))

    assert len(told) == 31


@pytest.mark.parametrize(("precision", "most"), [("f32", 32), ("bf16", 64)])
def test_a_slow_machine_scores_fewer_slices_where_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision, most: int
) -> None:
    monkeypatch.setattr("app.service.cpus", lambda: 2)
    slices = list(dicom_files(phantom(slices=100, size=128)))

    found = diagnosed(slices, tmp_path, classifier=FakeClassifier(precision=precision))

    assert len(found.scores.indices) == most


def test_writing_beside_the_body_is_warned_of(tmp_path: Path) -> None:
    grays = [np.asarray(one.gray) for one in phantom(slices=12, lesions="few", size=256).exam().slices]
    named = [NamedFile(f"{n:02}.png", a_png(written_on(gray, "DOE^JOHN 1961"))) for n, gray in enumerate(grays)]

    assert any(
        "written beside the body, on 12 of 12 slices" in warning for warning in diagnosed(named, tmp_path).warnings
    )
