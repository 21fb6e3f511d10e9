"""What names a study or a patient of its own beside an exam, or within it."""

from collections.abc import Sequence

import pytest

from app.ct.errors import SeveralStudies
from app.ct.reading import NamedFile, read_exam
from tests.builders import a_dicom, a_dicom_exam, a_picture, an_enhanced_dicom, files


@pytest.mark.parametrize("own", [{"StudyInstanceUID": "1.2.3.2"}, {"PatientID": "B"}], ids=str)
def test_a_report_of_another_study_or_patient_is_left_out(own):
    report = a_dicom(
        without=["PixelData", "Rows", "Columns"],
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67",
        Modality="SR",
        SeriesInstanceUID="1.2.3.2.1",
        **own,
    )

    assert len(read_exam(files(*a_dicom_exam(PatientID="A"), report)).slices) == 4


def test_a_series_of_which_every_slice_was_given_a_study_of_its_own_is_one():
    parts = [a_dicom(stored=a_picture(seed=i), z_mm=-5.0 * i, StudyInstanceUID=f"1.2.9.{i}") for i in range(12)]

    assert len(read_exam(files(*parts)).slices) == 12


def test_few_studies_that_share_a_series_are_refused():
    parts = [a_dicom(stored=a_picture(seed=i), z_mm=-5.0 * i, StudyInstanceUID=f"1.2.9.{i % 4}") for i in range(12)]

    with pytest.raises(SeveralStudies):
        read_exam(files(*parts))


def a_patient(name: str, *, seed: int, **tags: object) -> list[bytes]:
    """Twelve slices of someone."""
    return [
        a_dicom(stored=a_picture(seed=seed + i), z_mm=-5.0 * i, PatientID=name, InstanceNumber=i + 1, **tags)
        for i in range(12)
    ]


UNNAMED = {"StudyInstanceUID": "", "SeriesInstanceUID": ""}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (UNNAMED, UNNAMED),
        (UNNAMED | {"AcquisitionTime": "080000"}, UNNAMED | {"AcquisitionTime": "093000"}),
        (
            {"StudyInstanceUID": "ANON", "SeriesInstanceUID": "A"},
            {"StudyInstanceUID": "ANON", "SeriesInstanceUID": "B"},
        ),
    ],
)
def test_slices_of_two_patients_are_refused_where_nothing_else_tells_them_apart(first, second):
    sent = [*a_patient("CANARY-A", seed=0, **first), *a_patient("CANARY-B", seed=50, **second)]

    with pytest.raises(SeveralStudies, match="more than one patient") as refusal:
        read_exam(files(*sent))
    assert "CANARY" not in refusal.value.message


def test_two_patients_whose_files_each_have_a_series_of_their_own_are_refused():
    sent = [
        a_dicom(
            stored=a_picture(seed=i),
            z_mm=-5.0 * (i % 12),
            PatientID="AB"[i // 12],
            StudyInstanceUID="",
            SeriesInstanceUID=f"1.2.8.{i}",
        )
        for i in range(24)
    ]

    with pytest.raises(SeveralStudies, match="more than one patient"):
        read_exam(files(*sent))


def test_two_patients_in_files_of_several_pictures_are_refused():
    sent = [an_enhanced_dicom(z_mm=[-5.0 * i - start for i in range(4)], PatientID=f"P{start}") for start in (0, 20)]

    with pytest.raises(SeveralStudies, match="more than one patient"):
        read_exam(files(*sent))


def test_a_patient_whom_some_slices_do_not_name_is_no_second_one():
    sent = a_patient("A", seed=0)
    sent[3] = a_dicom(stored=a_picture(seed=3), z_mm=-15.0, PatientID="", InstanceNumber=4)

    assert len(read_exam(files(*sent)).slices) == 12


def of_many_patients(
    *, patients: int = 12, z_mm: Sequence[float] | None = None, own: Sequence[str] = (), **tags: object
) -> list[NamedFile]:
    """Twelve slices, each with a patient of its own; so is what ``own`` names of their other identifiers."""
    named = dict.fromkeys(own, "1.2.{}") | {"PatientID": "CANARY-{}"}
    places = [-5.0 * k for k in range(12)] if z_mm is None else z_mm
    return files(
        *(
            a_dicom(
                stored=a_picture(seed=k),
                z_mm=z,
                **tags | {keyword: name.format(k % patients) for keyword, name in named.items()},
            )
            for k, z in enumerate(places)
        )
    )


ALL_ANEW = ["SOPInstanceUID", "SeriesInstanceUID"]


@pytest.mark.parametrize("own", [["SOPInstanceUID"], ALL_ANEW], ids=str)
def test_slices_of_which_every_one_was_given_a_patient_of_its_own_are_one_exam_and_that_is_said(own):
    exam = read_exam(of_many_patients(own=own))

    assert len(exam.slices) == 12
    assert exam.warnings[0].startswith("The slices name 12 patients (PatientID), about one each")
    assert "CANARY" not in str(exam.warnings)


def test_a_missing_slice_does_not_make_several_patients_of_one():
    z_mm = [-5.0 * k for k in range(14) if k not in (4, 9)]

    assert len(read_exam(of_many_patients(own=ALL_ANEW, z_mm=z_mm)).slices) == 12


@pytest.mark.parametrize(
    "tags",
    [
        UNNAMED,
        UNNAMED | {"own": ["SOPInstanceUID"]},
        {"own": ["SOPInstanceUID"], "SeriesInstanceUID": "ANON"},
        {"own": []},
        {"own": ALL_ANEW, "StudyInstanceUID": "", "z_mm": [-(k**2.0) for k in range(12)]},
        {"own": ["SOPInstanceUID"], "z_mm": [-(k**2.0) for k in range(12)]},
        {"own": ["SOPInstanceUID"], "patients": 6},
    ],
    ids=str,
)
def test_slices_of_many_patients_are_refused_where_not_all_else_says_that_they_are_one_scan(tags):
    with pytest.raises(SeveralStudies, match="more than one patient") as refusal:
        read_exam(of_many_patients(**tags))
    assert "CANARY" not in refusal.value.message
