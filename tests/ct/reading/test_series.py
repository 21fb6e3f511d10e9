import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless, RLELossless

from app.ct.errors import NoUsableSeries, SeveralStudies, WrongModality
from app.ct.exam import RejectedSeries
from app.ct.reading import NamedFile, read_exam, series
from tests.builders import SERIES, a_dicom, a_dicom_exam, a_picture, files, rewritten

OTHER = {"SeriesInstanceUID": "1.2.3.1.2", "SeriesNumber": 2}
LOCALIZER = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
CORONAL = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
SECONDARY_CAPTURE = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        (LOCALIZER, "localizer"),
        (CORONAL, "not axial"),
        (SECONDARY_CAPTURE, "secondary capture"),
        ({"Modality": "MR"}, "not CT"),
        ({"ImageType": ["ORIGINAL", "SECONDARY", "AXIAL", "SCOUT"]}, "localizer"),
        ({"SeriesDescription": "Topogram 0.6", "without": ["ImageOrientationPatient"]}, "localizer"),
        ({"SeriesDescription": "Dose Report", "z_mm": None, "without": ["ImageOrientationPatient"]}, "dose sheet"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "secondary capture"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "projection"),
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "CT_SOM5 MIP"]}, "projection"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "MIN_IP"]}, "projection"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "not axial"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0.7072, -0.7071]}, "not axial"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"], "without": ["ImageOrientationPatient"]}, "not axial"),
        ({"RescaleType": "Z_EFF"}, "computed map"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "MAT_SPECIFIC"]}, "computed map"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "DE IODINE"]}, "computed map"),
        ({"ImageType": ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"]}, "computed map"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.30"}, "not CT"),
    ],
)
def test_what_is_no_axial_slice_is_left_out_and_said(tags, why):
    exam = read_exam(files(*a_dicom_exam(), a_dicom(**{**OTHER, **tags})))

    assert len(exam.slices) == 4
    assert exam.series.chosen == "series 1"
    assert exam.series.rejected == (RejectedSeries("series 2", 1, why),)


@pytest.mark.parametrize(
    ("photometric", "samples"), [("PALETTE COLOR", 1), ("palette color", 1), ("RGB", 3), ("YBR_FULL", 3), ("RGB", 1)]
)
def test_colors_are_never_read_as_hounsfield_units(photometric, samples):
    stored = np.zeros((16, 12 * samples), np.uint16)
    tags = {"PhotometricInterpretation": photometric, "SamplesPerPixel": samples, "Columns": 12, "stored": stored}
    colored = [a_dicom(z_mm=-5.0 * k, **OTHER, **tags) for k in range(12)]
    why = "colors, not gray" if samples == 1 else "secondary capture"

    assert read_exam(files(*a_dicom_exam(), *colored)).series.rejected == (RejectedSeries("series 2", 12, why),)
    with pytest.raises(NoUsableSeries, match=f"12 x {why}"):
        read_exam(files(*colored))


def test_a_slice_that_does_not_say_what_its_values_are_shown_as_is_read():
    assert len(read_exam(files(*a_dicom_exam(without=["PhotometricInterpretation"]))).slices) == 4


def test_a_series_is_called_by_the_number_that_its_scanner_gave_it():
    numbered = [a_dicom_exam(slices=n, SeriesInstanceUID=f"1.2.3.{n}", SeriesNumber=m) for n, m in ((3, 602), (2, 7))]
    exam = read_exam(files(*(one for series in numbered for one in series)))

    assert exam.series.chosen == "series 602"
    assert [one.series for one in exam.series.rejected] == ["series 7"]


@pytest.mark.parametrize("other", [602, None, "", 19530712, -3, "CANARY"])
def test_where_not_every_series_has_a_number_of_its_own_they_are_counted(other):
    tags = {"SeriesInstanceUID": "1.2.3.9"} | ({} if isinstance(other, str | None) else {"SeriesNumber": other})
    named = a_dicom_exam(slices=2, **tags)
    if isinstance(other, str):
        named = [rewritten(one, lambda data_set: data_set.add_new("SeriesNumber", "LO", other)) for one in named]
    exam = read_exam(files(*a_dicom_exam(slices=3, SeriesNumber=602), *named))

    assert {exam.series.chosen, *(one.series for one in exam.series.rejected)} == {"series 1", "series 2"}


def test_a_localizer_inside_the_series_is_left_out():
    exam = read_exam(files(a_dicom(z_mm=99, **LOCALIZER), *a_dicom_exam()))

    assert len(exam.slices) == 4
    assert exam.series.rejected == (RejectedSeries("series 1", 1, "localizer"),)


def test_a_dose_report_is_left_out():
    report = a_dicom(
        without=["PixelData", "Rows", "Columns"], SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67", Modality="SR", **OTHER
    )

    assert read_exam(files(*a_dicom_exam(), report)).series.rejected[0].why == "holds no picture"


@pytest.mark.parametrize("description", ["Low dose Thorax", "Scout and lung 1.0"])
def test_words_of_a_description_leave_out_no_slice_that_lies_in_the_patient(description):
    assert len(read_exam(files(*a_dicom_exam(SeriesDescription=description))).slices) == 4


@pytest.mark.parametrize("tags", [LOCALIZER, CORONAL, SECONDARY_CAPTURE])
def test_without_an_axial_series_there_is_no_exam(tags):
    with pytest.raises(NoUsableSeries, match="1 x"):
        read_exam(files(a_dicom(**tags)))


def test_another_modality_is_refused():
    with pytest.raises(WrongModality):
        read_exam(files(a_dicom(Modality="MR"), a_dicom(Modality="DX")))


def test_two_studies_are_refused():
    with pytest.raises(SeveralStudies):
        read_exam(files(a_dicom(), a_dicom(StudyInstanceUID="1.2.3.2")))


@pytest.mark.parametrize(
    ("first", "second", "why", "why_not"),
    [
        ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}, "lung kernel", "no lung kernel"),
        ({"SliceThickness": 3}, {"SliceThickness": 1}, "thinnest slices", "thicker slices"),
        ({"SliceThickness": 8}, {"SliceThickness": 5}, "thin slices", "thick slices"),
        ({"SliceThickness": 1}, {"SliceThickness": 5, "ConvolutionKernel": "LUNG"}, "lung kernel", "no lung kernel"),
    ],
)
def test_the_better_of_two_series_is_taken(first, second, why, why_not):
    exam = read_exam(files(*a_dicom_exam(slices=3, **first), *a_dicom_exam(slices=2, **second, **OTHER)))

    assert (exam.series.chosen, exam.series.why) == ("series 2", why)
    assert exam.series.rejected == (RejectedSeries("series 1", 3, why_not),)


def test_of_like_series_the_one_with_most_slices_is_taken():
    exam = read_exam(files(*a_dicom_exam(slices=2), *a_dicom_exam(slices=3, **OTHER)))

    assert (exam.series.chosen, exam.series.why) == ("series 2", "most slices")


@pytest.mark.parametrize(
    "computed", [{"ImageType": ["DERIVED", "SECONDARY", "MPR", "AXIAL"]}, {"SeriesDescription": "Lung MIP 8mm"}]
)
def test_slices_as_scanned_are_better_than_computed_ones(computed):
    exam = read_exam(
        files(*a_dicom_exam(slices=3, ConvolutionKernel="LUNG", **computed), *a_dicom_exam(slices=2, **OTHER))
    )

    assert (exam.series.chosen, exam.series.why) == ("series 2", "slices as they were scanned")
    assert exam.series.rejected == (RejectedSeries("series 1", 3, "computed from other slices"),)


def test_axial_reformats_are_read_where_there_is_nothing_else():
    assert len(read_exam(files(*a_dicom_exam(ImageType=["DERIVED", "SECONDARY", "REFORMATTED"]))).slices) == 4


def test_slices_ten_millimeters_apart_but_for_rounding_are_not_too_far_apart():
    spaced = a_dicom_exam(slices=3, spacing_mm=10.02, SliceThickness=1, ConvolutionKernel="LUNG")
    exam = read_exam(files(*spaced, *a_dicom_exam(slices=3, **OTHER)))

    assert exam.series.chosen == "series 1"


def test_a_whole_lung_comes_before_a_lung_kernel_with_slices_far_apart():
    sparse = a_dicom_exam(slices=3, spacing_mm=20, SliceThickness=1, ConvolutionKernel="LUNG")
    exam = read_exam(files(*sparse, *a_dicom_exam(slices=3, **OTHER)))

    assert (exam.series.chosen, exam.series.why) == ("series 2", "slices close enough together")


def test_where_no_thickness_is_told_the_distance_of_the_slices_counts():
    thick = a_dicom_exam(slices=3, spacing_mm=8, without=["SliceThickness"])
    thin = a_dicom_exam(slices=3, spacing_mm=2, without=["SliceThickness"], **OTHER)

    assert read_exam(files(*thick, *thin)).series.why == "thin slices"


def test_a_few_test_shots_are_no_exam_even_with_a_lung_kernel():
    shots = a_dicom_exam(slices=3, ConvolutionKernel="LUNG", **OTHER)

    assert read_exam(files(*shots, *a_dicom_exam(slices=10))).series.chosen == "series 1"


def test_the_series_asked_for_is_taken():
    parts = files(*a_dicom_exam(slices=2), *a_dicom_exam(slices=3, **OTHER))
    exam = read_exam(parts, series_instance_uid=SERIES)

    assert (len(exam.slices), exam.series.why) == (2, "asked for")
    assert exam.series.rejected == (RejectedSeries("series 2", 3, "not asked for"),)


@pytest.mark.parametrize("uid", ["1.2.3.9", ""])
def test_a_series_asked_for_that_is_not_there_is_refused(uid):
    with pytest.raises(NoUsableSeries):
        read_exam(files(*a_dicom_exam()), series_instance_uid=uid)


def test_invalid_and_empty_uids_are_no_obstacle():
    parts = [a_dicom(z_mm=z, SeriesInstanceUID="09bc-é", StudyInstanceUID="") for z in (0, -5)]

    assert len(read_exam(files(*parts)).slices) == 2


@pytest.mark.parametrize("study", ["", "UNKNOWN", "not-a-uid-7"])
def test_a_study_that_some_files_of_a_series_do_not_name_is_no_second_one(study):
    parts = [*a_dicom_exam(slices=2), a_dicom(z_mm=-10, StudyInstanceUID=study)]

    assert len(read_exam(files(*parts)).slices) == 3


def test_an_invalid_study_in_a_series_of_its_own_is_a_second_one():
    with pytest.raises(SeveralStudies):
        read_exam(files(*a_dicom_exam(), *a_dicom_exam(**OTHER, StudyInstanceUID="not-a-uid-7")))


@pytest.mark.parametrize("study", ["", "UNKNOWN"])
def test_a_series_that_names_no_study_may_belong_to_any(study):
    assert len(read_exam(files(*a_dicom_exam(), a_dicom(**OTHER, StudyInstanceUID=study))).slices) == 4


def test_slices_that_name_no_series_join_the_one_they_fit():
    parts = a_dicom_exam(slices=5)
    parts[2] = a_dicom(z_mm=-10, SeriesInstanceUID="", InstanceNumber=3)
    exam = read_exam(files(*parts))

    assert (len(exam.slices), exam.series.rejected) == (5, ())


@pytest.mark.parametrize(
    "tags",
    [{"SeriesNumber": 3}, {"ImageOrientationPatient": [1, 0, 0, 0, -1, 0]}, {"stored": np.ones((20, 20), np.int16)}],
)
def test_slices_that_name_no_series_and_lie_otherwise_stay_apart(tags):
    exam = read_exam(files(*a_dicom_exam(slices=5), a_dicom(z_mm=-99, SeriesInstanceUID="", **tags)))

    assert [(left.slices, left.why) for left in exam.series.rejected] == [(1, "fewer slices")]


def test_ten_slices_that_each_have_a_series_of_their_own_are_one():
    parts = [a_dicom(z_mm=-5 * i, SeriesInstanceUID=f"1.2.{i}", SeriesNumber=4) for i in range(10)]

    assert len(read_exam(files(*parts)).slices) == 10


def test_ten_slices_that_each_have_a_series_of_their_own_are_one_where_some_are_sent_in_two_codings():
    tags = [{"z_mm": -5 * i, "SOPInstanceUID": f"1.2.{i}", "SeriesInstanceUID": f"1.3.{i}"} for i in range(10)]
    parts = [a_dicom(stored=a_picture(seed=i), **own) for i, own in enumerate(tags)]
    recoded = [a_dicom(stored=a_picture(seed=i), **tags[i], syntax=RLELossless) for i in (0, 3)]

    assert len(read_exam(files(*parts, *recoded)).slices) == 10


def test_a_few_series_of_one_slice_each_stay_apart():
    parts = [a_dicom(z_mm=-5 * i, SeriesInstanceUID=f"1.2.{i}", SeriesNumber=4) for i in range(9)]

    assert len(read_exam(files(*parts)).slices) == 1


def test_a_series_asked_for_is_found_where_some_of_its_slices_do_not_name_it():
    parts = [a_dicom(z_mm=5, SeriesInstanceUID=""), *a_dicom_exam()]

    assert len(read_exam(files(*parts), series_instance_uid=SERIES).slices) == 5


def test_without_series_uids_the_series_number_tells_series_apart():
    parts = [a_dicom(z_mm=-z, SeriesInstanceUID="", SeriesNumber=n) for n in (1, 2) for z in range(n)]

    assert len(read_exam(files(*parts)).slices) == 2


def test_copies_of_a_slice_are_left_out_and_said():
    parts = [a_dicom(z_mm=-5 * i, SOPInstanceUID=f"1.2.{i}") for i in range(3)]
    exam = read_exam(files(*parts, parts[1]))

    assert len(exam.slices) == 3
    assert exam.warnings == ("1 file that is a copy of another slice was left out.",)


@pytest.mark.parametrize("times", [2, 3])
def test_an_exam_without_uids_that_was_sent_again_is_read_once(times):
    parts = a_dicom_exam(SOPInstanceUID="")
    exam = read_exam(files(*parts * times))

    assert [s.z_mm for s in exam.slices] == [0, -5, -10, -15]
    assert exam.warnings == (f"{4 * (times - 1)} files that are copies of other slices were left out.",)


def test_slices_without_uid_and_place_all_stay_though_they_are_the_same():
    exam = read_exam(files(*[a_dicom(SOPInstanceUID="", z_mm=None, InstanceNumber=1)] * 3))

    assert len(exam.slices) == 3


@pytest.mark.parametrize("seeds", [(0, 1, 2), (0, 0, 0)])
def test_different_slices_of_one_uid_are_all_kept_and_said(seeds):
    parts = [a_dicom(stored=a_picture(seed=seed), z_mm=-5 * i, SOPInstanceUID="1.2.7") for i, seed in enumerate(seeds)]
    exam = read_exam(files(*parts))

    assert len(exam.slices) == 3
    assert exam.warnings == ("2 slices share the identifier of another one though they differ: all were kept.",)


def test_a_copy_in_another_coding_is_left_out_and_said():
    parts = [a_dicom(stored=a_picture(seed=i), z_mm=-5 * i, SOPInstanceUID=f"1.2.{i}") for i in range(3)]
    recoded = a_dicom(stored=a_picture(seed=1), z_mm=-5, SOPInstanceUID="1.2.1", syntax=RLELossless)
    exam = read_exam(files(*parts, recoded))

    assert len(exam.slices) == 3
    assert exam.warnings == ("1 slice that is a copy of another slice was left out.",)


def test_which_of_two_copies_stays_does_not_depend_on_the_order_of_sending():
    coded = [
        a_dicom(SOPInstanceUID="1.2.1", InstanceNumber=n, syntax=s) for n, s in [(2, RLELossless), (1, JPEGLSLossless)]
    ]

    assert [s.instance_number for sent in (coded, coded[::-1]) for s in read_exam(files(*sent)).slices] == [1, 1]


def test_names_order_the_slices_whichever_copy_was_sent_first():
    first, second = (a_dicom(stored=a_picture(seed=i), z_mm=None, SOPInstanceUID=f"1.2.{i}") for i in range(2))
    parts = [NamedFile(name, content) for name, content in (("b", first), ("c", second), ("a", second))]

    for sent in (parts, parts[::-1]):
        exam = read_exam(sent)
        assert [sent[s.file_number - 1].name for s in exam.slices] == ["a", "b"]


def test_no_uid_or_name_leaves_the_reader():
    exam = read_exam(files(*a_dicom_exam(SeriesDescription="CANARY"), *a_dicom_exam(slices=2, **OTHER)))
    words = f"{exam.series} {exam.warnings} {exam.slices[0]}"

    assert "CANARY" not in words
    assert "1.2.3" not in words


def test_many_series_are_each_weighed_a_few_times(monkeypatch):
    weighed = []
    distance = series._usual_distance_mm
    monkeypatch.setattr(series, "_usual_distance_mm", lambda slices: weighed.append(slices) or distance(slices))

    def work(count: int) -> int:
        weighed.clear()
        sent = [a_dicom_exam(slices=2, SeriesInstanceUID=f"1.2.3.{n}", SeriesNumber=n) for n in range(1, count + 1)]
        read_exam(files(*(one for two in sent for one in two)))
        return len(weighed)

    few, many = work(10), work(40)

    assert many <= 5 * few


def a_stack(
    number: int, *, slices: int, spacing_mm: float, field_mm: float = 400.0, stored_rows: int = 16, **tags: object
) -> list[bytes]:
    """A series head first, ``field_mm`` wide."""
    own = {"SeriesInstanceUID": f"1.2.3.1.{number}", "SeriesNumber": number, "SliceThickness": spacing_mm}
    own |= {"PixelSpacing": [field_mm / 16, field_mm / 12]} | tags
    return [
        a_dicom(stored=a_picture(seed=k)[:stored_rows], z_mm=-spacing_mm * k, InstanceNumber=k + 1, **own)
        for k in range(slices)
    ]


def test_a_series_of_one_lung_alone_is_not_taken_before_one_of_both():
    whole = a_stack(1, slices=30, spacing_mm=5, ConvolutionKernel="B31f")
    right = a_stack(2, slices=150, spacing_mm=1, field_mm=180, ConvolutionKernel="B60f", SeriesDescription="HRCT lung")

    exam = read_exam(files(*whole, *right))

    assert exam.series.chosen == "series 1"
    assert exam.series.why == "the whole width of the body"
    assert [(one.slices, one.why) for one in exam.series.rejected] == [(150, "only a part of the body")]
    assert not any("mm wide" in said for said in exam.warnings)
    alone = read_exam(files(*right))
    assert "The pictures are 180 mm wide: of an adult's lungs they show a part alone." in alone.warnings


def test_of_fields_that_all_hold_the_body_the_narrower_may_be_taken():
    whole = a_stack(1, slices=30, spacing_mm=5, field_mm=450)
    lung = a_stack(2, slices=30, spacing_mm=5, field_mm=320, ConvolutionKernel="LUNG")

    assert read_exam(files(*whole, *lung)).series.chosen == "series 2"


def test_pictures_cropped_to_the_body_are_wide_enough():
    cropped = a_stack(1, slices=12, spacing_mm=5, stored_rows=10)

    assert not any("mm wide" in said for said in read_exam(files(*cropped)).warnings)


def test_of_a_series_with_both_fields_the_wide_one_is_read_and_nothing_is_said():
    wide = a_stack(1, slices=30, spacing_mm=5)
    narrow = a_stack(1, slices=30, spacing_mm=5, field_mm=180)
    thick = a_stack(2, slices=15, spacing_mm=10)

    exam = read_exam(files(*wide, *narrow, *thick))

    assert (exam.series.chosen, len(exam.slices)) == ("series 1", 30)
    assert exam.slices[0].pixel_spacing_mm == pytest.approx((25, 400 / 12))
    assert not any("mm wide" in said for said in exam.warnings)


@pytest.mark.parametrize("place", [[0, 0, 0], [-180, -180, 0]])
def test_a_chest_whose_positions_were_reset_is_no_stub(place):
    chest = [
        a_dicom(stored=a_picture(seed=k), ImagePositionPatient=place, SliceLocation=-5.0 * k, InstanceNumber=k)
        for k in range(60)
    ]
    stub = a_dicom_exam(slices=12, **OTHER)

    assert read_exam(files(*chest, *stub)).series.chosen == "series 1"


def test_slices_that_wait_for_contrast_are_no_chest():
    chest = a_stack(1, slices=40, spacing_mm=7)
    place = {"ImagePositionPatient": [-180, -180, -120], "SliceThickness": 5}
    waiting = a_stack(2, slices=20, spacing_mm=0, **place, SeriesDescription="Monitoring")

    exam = read_exam(files(*chest, *waiting))

    assert (exam.series.chosen, len(exam.slices)) == ("series 1", 40)
    assert exam.series.rejected[0].why == "shorter range"


@pytest.mark.parametrize("described", ["LOW DOSE CHEST", "Chest low-dose 5mm", "Dosed contrast"])
def test_a_chest_at_a_low_dose_is_no_dose_sheet(described):
    exam = read_exam(
        files(*a_dicom_exam(SeriesDescription=described, without=["ImageOrientationPatient", "ImagePositionPatient"]))
    )

    assert len(exam.slices) == 4


@pytest.mark.parametrize("described", ["Dose Report", "DOSE", "Radiation dose", "Dose_Info", "Patient Protocol"])
def test_a_dose_sheet_is_known_by_its_name(described):
    sheet = a_dicom(**OTHER, SeriesDescription=described, without=["ImageOrientationPatient", "ImagePositionPatient"])

    assert read_exam(files(*a_dicom_exam(), sheet)).series.rejected[0].why == "dose sheet"
