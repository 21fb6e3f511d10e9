import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from app import NOTICE
from app.ct.exam import Exam, Slice
from app.ct.exam_rule import TopShareMean
from app.ct.manifest import Decision, Manifest, NetworkSpec, PreprocessingSpec
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files, write
from app.ct.precision import Precision
from app.ct.scores import SliceScores
from tests.builders import a_dicom_exam, an_enhanced_dicom
from tests.fakes import a_fitness
from tests.training.builders import a_data_set, a_gray
from training.measuring.evaluate import evaluate
from training.measuring.illustrate import FIGURES
from training.measuring.scoring import By, score
from training.records.catalog import Catalog, CatalogError
from training.records.masks import read_mask

MANIFEST = Manifest(
    name="gray-1",
    files={"weights.safetensors": "00"},
    network=NetworkSpec(head="linear"),
    preprocessing=PreprocessingSpec(name="paper", size=299, fingerprint="00"),
    image=Decision(threshold=0.4, band=(0.3, 0.5)),
    exam_rule=TopShareMean(top_share=1.0, decision=Decision(threshold=0.6, band=(0.5, 0.7)), rests_on="nothing"),
    fitness=a_fitness(),
)


class GrayScorer:
    """The brighter, the more COVID-19; the map is the slice itself."""

    manifest = MANIFEST
    engine_name = "gray"
    on_gpu = False
    precision: Precision = "bf16"

    def score(self, slices: Sequence[Slice], indices: Sequence[int] | None = None) -> SliceScores:
        maps = np.stack([np.asarray(Image.fromarray(s.gray).resize((6, 5)), dtype=np.float32) / 255 for s in slices])
        return SliceScores(
            tuple(indices or range(len(slices))),
            logits=np.array([(s.gray.mean() - 128) / 10 for s in slices], dtype=np.float32),
            share=maps,
            evidence=maps,
            boxes=np.array([(0, 0, s.height, s.width) for s in slices], dtype=np.int32),
            evidence_in_lung=np.ones(len(slices), dtype=np.float32),
            lung_found=np.ones(len(slices), dtype=np.bool_),
            distance=np.array([0.5 if s.gray[0, 0] < 255 else 1.5 for s in slices], dtype=np.float32),
        )

    def score_chunks(self, exam: Exam, indices: Sequence[int], *, chunk: int = 8) -> Iterator[SliceScores]:
        for start in range(0, len(indices), chunk):
            part = indices[start : start + chunk]
            yield self.score([exam.slices[i] for i in part], indices=part)


def run(data: Path, out: Path, by: By = By.SLICE, **options: object) -> dict[str, object]:
    evaluate(GrayScorer(), [data], out, by=by, draws=50, **options)  # type: ignore[arg-type]
    report: dict[str, object] = json.loads((out / "metrics.json").read_text())
    return report


def scores(out: Path) -> list[dict[str, str]]:
    with (out / "scores.csv").open() as file:
        return list(csv.DictReader(file))


def test_an_evaluation_writes_what_the_interfaces_promise(tmp_path: Path) -> None:
    data = a_data_set(
        tmp_path / "data", [{"group": f"g{i // 2}", "label": i % 2, "dataset": "ab"[i % 2]} for i in range(9)]
    )

    report = run(data, tmp_path / "out")

    assert (report["n"], report["positives"], report["groups"], report["by"]) == (9, 4, 5, "slice")
    assert report["threshold"] == MANIFEST.image.threshold
    assert set(report["metrics"]["auc"]) == {"value", "low", "high"}  # type: ignore[index]
    assert report["per_source"]["a"]["metrics"]["auc"]["value"] is None  # type: ignore[index]
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == set(FIGURES) - {"sources.png"}
    assert {"report.md", "report.html", "failures.html"} <= {p.name for p in (tmp_path / "out").iterdir()}


def test_intervals_keep_a_patient_whole_whose_scans_are_groups_of_their_own(tmp_path: Path) -> None:
    rows = [{"patient": f"p{k // 2}", "group": f"scan{k}", "label": k // 2 % 2} for k in range(8)]

    report = run(a_data_set(tmp_path / "data", rows), tmp_path / "out")

    assert (report["n"], report["groups"]) == (8, 4)


def test_scores_name_files_as_the_manifest_does(tmp_path: Path) -> None:
    run(a_data_set(tmp_path / "data", [{}, {}]), tmp_path / "out")

    assert [(s["file"], s["label"]) for s in scores(tmp_path / "out")] == [("000.png", "0"), ("001.png", "1")]


def test_no_folder_of_the_user_is_named_where_the_catalog_lies_elsewhere(tmp_path: Path) -> None:
    rows = [{"dataset": "ab", "file": f"{folder}/{k}.png"} for k, folder in enumerate(("ab", "ab/more", "other"))]
    data = a_data_set(tmp_path / "data", rows)
    (data / "ab/0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (tmp_path / "work").mkdir()
    Catalog.read(data).write(tmp_path / "work/catalog.csv")

    report = run(tmp_path / "work", tmp_path / "out")

    assert [s["file"] for s in scores(tmp_path / "out")] == ["ab/0.png", "ab/more/1.png", "2.png"]
    assert {"file": "ab/0.png", "why": "unreadable"} in report["refusals"]  # type: ignore[operator]
    written = [p.read_text() for p in (tmp_path / "out").iterdir() if p.suffix != ".png"]
    assert not any(str(tmp_path) in text for text in written)


def test_what_serving_would_refuse_is_scored_all_the_same(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{}, {}])
    Image.new("L", (64, 48), 255).save(data / "001.png")

    report = run(data, tmp_path / "out")

    white = scores(tmp_path / "out")[1]
    assert (white["refused"], white["why"]) == ("1", "no-lung")
    assert float(white["probability"]) > 0.99
    assert report["evidence_in_lung"]["value"] == 1.0  # type: ignore[index]


def test_what_cannot_be_read_is_counted_and_listed(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{}, {}, {}])
    (data / "001.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")

    report = run(data, tmp_path / "out")

    assert (report["n"], report["unscored"]) == (2, 1)
    assert {"file": "001.png", "why": "unreadable"} in report["refusals"]  # type: ignore[operator]
    assert scores(tmp_path / "out")[1]["probability"] == ""


def test_a_patients_slices_become_one_small_exam(tmp_path: Path) -> None:
    rows = [{"patient": f"p{i // 3}", "group": f"p{i // 3}", "label": i // 3 % 2} for i in range(12)]
    data = a_data_set(tmp_path / "data", rows)

    report = run(data, tmp_path / "out", By.PATIENT)

    first = np.mean([(a_gray(k).mean() - 128) / 10 for k in range(3)])
    assert (report["n"], report["threshold"]) == (4, MANIFEST.exam_rule.decision.threshold)
    assert float(scores(tmp_path / "out")[0]["probability"]) == pytest.approx(1 / (1 + np.exp(-first)), abs=1e-4)


@pytest.mark.parametrize(("slices", "called"), [(1, True), (2, False)])
def test_a_patient_of_one_slice_is_judged_as_a_single_image(tmp_path: Path, slices: int, called: bool) -> None:
    data = a_data_set(tmp_path / "data", [{"patient": "p", "group": "p", "label": 1}] * slices)
    for path in data.glob("*.png"):
        Image.new("L", (64, 48), 128).save(path)

    (case,) = score(Catalog.read(data).records, GrayScorer(), by=By.PATIENT)

    assert case.probability == pytest.approx(0.5)
    assert case.called is called


def test_how_often_the_service_is_inconclusive_is_counted_by_class(tmp_path: Path) -> None:
    # Probabilities .5, .45, .77, .45, .14; the threshold is .4, the band .3 to .5.
    rows = [{"label": label, "dataset": "ab"[label]} for label in (1, 1, 1, 0, 0)]
    data = a_data_set(tmp_path / "data", rows)
    for number, gray in enumerate((128, 126, 140, 126, 110)):
        Image.new("L", (64, 48), gray).save(data / f"{number:03}.png")

    report = run(data, tmp_path / "out")

    positives = {"COVID_19": 1, "NON_COVID_19": 0, "INCONCLUSIVE": 2}
    assert report["verdicts"] == {
        "positives": positives,
        "negatives": {"COVID_19": 0, "NON_COVID_19": 1, "INCONCLUSIVE": 1},
    }
    assert report["per_source"]["b"]["verdicts"]["positives"] == positives  # type: ignore[index]
    assert [s["verdict"] for s in scores(tmp_path / "out")][:3] == ["INCONCLUSIVE", "INCONCLUSIVE", "COVID_19"]
    assert "| COVID-19, all scored | 1 | 0 | 2 |" in (tmp_path / "out/report.md").read_text()


def an_exam_set(folder: Path, *, missing: range = range(0)) -> Path:
    """A data set of one phantom of ninety slices 3 mm apart, some of them missing."""
    drawn = phantom(slices=90, size=96)
    write([file for number, file in enumerate(dicom_files(drawn)) if number not in missing], folder / "exam")
    (folder / "manifest.csv").write_text("file,label,dataset\nexam,1,scanner\n")
    return folder


@pytest.mark.parametrize(("missing", "verdict"), [(range(0), "COVID_19"), (range(40, 50), "INCONCLUSIVE")])
def test_an_exam_with_slices_missing_in_the_lungs_is_inconclusive_as_in_service(
    tmp_path: Path, missing: range, verdict: str
) -> None:
    scorer = GrayScorer()
    anything = Decision(threshold=0.0, band=(0.0, 0.0))
    rule = MANIFEST.exam_rule.model_copy(update={"decision": anything})
    scorer.manifest = MANIFEST.model_copy(update={"exam_rule": rule})

    (case,) = score(Catalog.read(an_exam_set(tmp_path, missing=missing)).records, scorer, by=By.EXAM)

    assert case.called
    assert case.verdict == verdict


def test_as_many_slices_of_an_exam_are_scored_as_the_service_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    data, scorer = an_exam_set(tmp_path / "data"), GrayScorer()
    scorer.precision = "f32"

    report = evaluate(scorer, [data], tmp_path / "out", by=By.EXAM, draws=50)

    assert (report["slices_at_most"], scores(tmp_path / "out")[0]["slices"]) == (32, "32")
    assert "at most 32 of those that show lung" in (tmp_path / "out/report.md").read_text()


def test_slices_of_a_folder_are_one_exam(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"file": "exam/1.png", "seed": 0}, {"file": "exam/2.png", "seed": 0}])
    (data / "manifest.csv").write_text("file,label\nexam,1\n")
    another = a_gray(0).copy()
    another[0, 0] += 1  # No copy.
    Image.fromarray(another).save(data / "exam/2.png")

    report = run(data, tmp_path / "out", By.EXAM)

    assert (report["n"], scores(tmp_path / "out")[0]["slices"]) == (1, "2")


def test_an_exam_of_another_body_part_is_scored_and_said_to_be_refused(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"file": "unused.png", "label": 1}])
    (data / "manifest.csv").write_text("file,label\nexam,1\n")
    (data / "exam").mkdir()
    for number, content in enumerate(a_dicom_exam(BodyPartExamined="HEAD")):
        (data / "exam" / f"{number}.dcm").write_bytes(content)

    (case,) = score(Catalog.read(data).records, GrayScorer(), by=By.EXAM)

    assert (case.refused, len(case.logits)) == ("not-chest", 4)


def chests(folder: Path, *, far: Sequence[bool], **row: object) -> Path:
    """A data set of phantom slices; those that are ``far`` from training have a white corner."""
    data = a_data_set(folder, [row] * len(far))
    gray = phantom(slices=9, size=128).exam().slices[4].gray
    for number, is_far in enumerate(far):
        picture = gray.copy()
        picture[0, 0] = 255 if is_far else 0
        picture[0, 1] = number  # None is a copy of another.
        Image.fromarray(picture).save(data / f"{number:03}.png")
    return data


def test_slices_unlike_training_are_scored_and_said_to_be_refused(tmp_path: Path) -> None:
    report = run(chests(tmp_path / "data", far=[True, False, False]), tmp_path / "out")

    assert [s["why"] for s in scores(tmp_path / "out")] == ["unlike-training", "", ""]
    assert (report["n"], report["refused"], report["cases"]) == (3, 1, 3)
    assert report["refused_share"]["value"] == pytest.approx(1 / 3)  # type: ignore[index]


@pytest.mark.parametrize(("far", "why"), [([True, False], ""), ([True, True, False], "unlike-training")])
@pytest.mark.parametrize("by", [By.PATIENT, By.EXAM])
def test_an_exam_or_a_patient_is_refused_where_most_slices_are_unlike_training(
    tmp_path: Path, by: By, far: list[bool], why: str
) -> None:
    data = chests(tmp_path / "exam", far=far, patient="p", group="p", label=1)
    if by is By.EXAM:
        (data / "manifest.csv").unlink()
        (tmp_path / "manifest.csv").write_text("file,label\nexam,1\n")
        data = tmp_path

    (case,) = score(Catalog.read(data).records, GrayScorer(), by=by)

    assert (case.refused, len(case.logits)) == (why, len(far))


def test_a_file_of_several_slices_is_not_scored_as_one(tmp_path: Path) -> None:
    data = chests(tmp_path, far=[False])
    (data / "000.png").write_bytes(an_enhanced_dicom())

    with pytest.raises(CatalogError, match="Record 1 is one file of several slices"):
        score(Catalog.read(data).records, GrayScorer(), by=By.SLICE)


def test_less_lung_than_the_model_wants_is_counted_as_refused(tmp_path: Path) -> None:
    scorer = GrayScorer()
    scorer.manifest = MANIFEST.model_copy(update={"fitness": a_fitness(least_lung_area=0.9)})

    cases = score(Catalog.read(chests(tmp_path, far=[False])).records, scorer, by=By.SLICE)

    assert [case.refused for case in cases] == ["no-lung"]


def test_an_exam_is_not_scored_as_a_slice(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"file": "exam/1.png"}])
    (data / "manifest.csv").write_text("file,label\nexam,1\n")

    with pytest.raises(CatalogError, match="--by exam"):
        run(data, tmp_path / "out")


def test_where_masks_are_given_maps_are_measured(tmp_path: Path) -> None:
    rows = [{"dataset": "medseg48", "label": 1, "group": f"g{i}", "mask": f"{i}-mask.png"} for i in range(3)]
    data = a_data_set(tmp_path / "data", rows)
    for i in range(3):
        Image.fromarray(np.where(a_gray(i) > 160, 255, 0).astype(np.uint8)).save(data / f"{i}-mask.png")

    report = run(data, tmp_path / "out")

    found = report["localization"]
    assert isinstance(found, dict)
    assert found["pointing_game"]["value"] == 1.0
    assert found["average_precision"]["value"] > 2 * found["lesion_share"]["value"]
    assert set(found["evidence"]) >= {"pointing_game", "dice", "energy_in_lesion"}


def test_the_gray_that_jpeg_leaves_around_a_lesion_is_none(tmp_path: Path) -> None:
    lesion = np.zeros((64, 64), np.uint8)
    lesion[20:31, 20:33] = 255
    Image.fromarray(lesion).save(tmp_path / "mask.jpg", quality=60)

    assert np.array_equal(read_mask(tmp_path / "mask.jpg", lesion.shape), lesion > 0)
    Image.fromarray((np.arange(64 * 64) % 3).astype(np.uint8).reshape(64, 64)).save(tmp_path / "none.jpg", quality=100)
    assert not read_mask(tmp_path / "none.jpg", lesion.shape).any()


def test_energy_in_lung_is_measured_where_lungs_are_found(tmp_path: Path) -> None:
    data = chests(tmp_path / "data", far=[False], dataset="medseg48", label=1, mask="mask.png")
    lesion = np.zeros((128, 128), np.uint8)
    lesion[60:70, 30:40] = 255
    Image.fromarray(lesion).save(data / "mask.png")

    report = run(data, tmp_path / "out")

    found = report["localization"]
    assert isinstance(found, dict)
    assert found["without_lungs"] == 0
    assert 0.1 < found["lung_share"]["value"] < 0.6
    assert 0.1 < found["energy_in_lung"]["value"] < 0.6


@pytest.mark.parametrize("by", list(By))
def test_where_nothing_is_called_and_there_are_no_masks_no_more_is_said_of_maps(tmp_path: Path, by: By) -> None:
    data = a_data_set(tmp_path / "data", [{"label": 0}] * 2)
    for path in data.glob("*.png"):
        Image.new("L", (64, 48), 110).save(path)

    run(data, tmp_path / "out", by=by)

    text = (tmp_path / "out/report.md").read_text()
    assert "## Heat maps\n\nThere are no masks to measure them against." in text
    assert "Of the heat" not in text


def test_masks_that_show_no_lesion_are_counted(tmp_path: Path) -> None:
    rows = [{"dataset": "medseg48", "label": 1, "mask": "none.png"}, {"dataset": "medseg48", "label": 1}]
    data = a_data_set(tmp_path / "data", rows)
    Image.new("L", (64, 48)).save(data / "none.png")

    found = run(data, tmp_path / "out")["localization"]

    assert found == {"n": 0, "groups": 0, "without_lesion": 1, "without_lungs": 0, "masks_not_used": 0}
    assert "the masks of 1 show none" in (tmp_path / "out/report.md").read_text()


def test_masks_that_cannot_be_used_are_told_and_the_others_measured(tmp_path: Path) -> None:
    rows = [{"dataset": "medseg48", "label": 1, "mask": f"{k}-mask.png"} for k in range(3)]
    data = a_data_set(tmp_path / "data", rows)
    Image.fromarray(np.where(a_gray(0) > 160, 255, 0).astype(np.uint8)).save(data / "0-mask.png")
    (data / "1-mask.png").write_bytes(b"no picture")
    Image.new("L", (9, 9), 255).save(data / "2-mask.png")

    report = run(data, tmp_path / "out")

    found, text = report["localization"], (tmp_path / "out/report.md").read_text()
    assert isinstance(found, dict)
    assert (report["n"], found["n"], found["masks_not_used"], found["without_lesion"]) == (3, 1, 2, 0)
    assert report["masks_not_used"] == [
        {"file": "001.png", "why": "A mask cannot be read as PNG or JPEG."},
        {"file": "002.png", "why": "A mask has another size than its image."},
    ]
    assert "2 masks are not used: A mask cannot be read as PNG or JPEG. (1 times)" in text


@pytest.mark.parametrize("by", list(By))
def test_masks_of_pictures_are_measured_whatever_a_case_is(tmp_path: Path, by: By) -> None:
    rows = [{"dataset": "medseg48", "label": 1, "patient": f"p{k // 2}", "mask": f"{k}-mask.png"} for k in range(4)]
    data = a_data_set(tmp_path / "data", rows)
    for k in range(4):
        Image.fromarray(np.where(a_gray(k) > 160, 255, 0).astype(np.uint8)).save(data / f"{k}-mask.png")

    found = run(data, tmp_path / "out", by=by)["localization"]

    assert isinstance(found, dict)
    assert (found["n"], found["groups"], found["pointing_game"]["value"]) == (4, 2, 1.0)


def test_the_mask_of_an_exam_of_several_slices_is_told_not_to_be_used(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"file": "exam/1.png"}, {"file": "exam/2.png"}])
    Image.new("L", (64, 48), 255).save(data / "mask.png")
    (data / "manifest.csv").write_text("file,label,mask\nexam,1,mask.png\n")

    report = run(data, tmp_path / "out", By.EXAM)

    assert report["masks_not_used"] == [
        {"file": "exam", "why": "The record holds several slices, and its mask is of one."}
    ]
    assert "1 masks are not used" in (tmp_path / "out/report.md").read_text()


def test_of_scored_slices_no_maps_are_held(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"dataset": "medseg48", "label": 1, "mask": "mask.png"}])
    Image.fromarray(np.where(a_gray(0) > 160, 255, 0).astype(np.uint8)).save(data / "mask.png")

    (case,) = score(Catalog.read(data).records, GrayScorer(), by=By.SLICE)

    (located,) = case.located
    assert not any(isinstance(value, np.ndarray) for value in vars(located).values())


def test_a_mask_is_turned_as_its_dicom_slice_is(tmp_path: Path) -> None:
    stored = np.zeros((4, 6), bool)
    stored[0, 5] = True
    Image.fromarray(stored.astype(np.uint8)).save(tmp_path / "mask.png")
    for name, orientation, seen in (
        ("as-shown", [1, 0, 0, 0, 1, 0], (0, 5)),
        ("mirrored", [-1, 0, 0, 0, 1, 0], (0, 0)),
        ("turned", [0, 1, 0, 1, 0, 0], (5, 0)),
    ):
        header = a_dicom_header(tmp_path / f"{name}.dcm", orientation)
        shape = (6, 4) if name == "turned" else (4, 6)

        assert np.argwhere(read_mask(tmp_path / "mask.png", shape, of=header)).tolist() == [list(seen)], name


def a_dicom_header(path: Path, orientation: list[int]) -> Path:
    header = pydicom.Dataset()
    header.SOPClassUID, header.SOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3"
    header.ImageOrientationPatient = orientation
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)
    return path


def test_masks_with_ones_palettes_and_transparency_show_what_they_mean(tmp_path: Path) -> None:
    lesion = np.zeros((32, 32), bool)
    lesion[8:24, 8:24] = True
    Image.fromarray(lesion.astype(np.uint8)).save(tmp_path / "ones.jpg", quality=100)
    drawn = Image.fromarray(lesion.astype(np.uint8)).convert("P")
    drawn.putpalette([255, 255, 255, 255, 0, 0])
    drawn.save(tmp_path / "palette.png")
    clear = np.full((32, 32, 4), 255, np.uint8)
    clear[..., 3] = 255 * lesion
    Image.fromarray(clear).save(tmp_path / "clear.png")
    Image.fromarray(lesion.astype(np.uint16) * 256).save(tmp_path / "deep.png")
    on_black = Image.fromarray((~lesion).astype(np.uint8)).convert("P")
    on_black.putpalette([255, 255, 255, 0, 0, 0])
    on_black.save(tmp_path / "on-black.png")

    for name in ("ones.jpg", "palette.png", "clear.png", "deep.png", "on-black.png"):
        assert np.array_equal(read_mask(tmp_path / name, lesion.shape), lesion), name


def test_of_the_parts_that_are_not_asked_for_no_file_need_be_there(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"split": "train"}, {"split": "Test"}])
    (data / "000.png").unlink()

    assert run(data, tmp_path / "out", where=["split=test"])["n"] == 1
    with pytest.raises(CatalogError, match=r"Line 2 of manifest\.csv: there is no such file"):
        run(data, tmp_path / "out")


def test_pictures_of_nobody_known_are_told(tmp_path: Path) -> None:
    known = a_data_set(tmp_path / "known", [{"dataset": "known", "patient": "p"}])
    unknown = a_data_set(tmp_path / "unknown", [{"dataset": "unknown"}])

    report = evaluate(GrayScorer(), [known, unknown], tmp_path / "out", draws=50)

    assert report["without_patients"] == ["unknown"]
    assert "No patient or group is known in unknown" in (tmp_path / "out/report.md").read_text()


def test_thresholds_are_offered_on_validation_only(tmp_path: Path) -> None:
    rows = [{"label": i % 2, "part": "validation" if i < 8 else "test"} for i in range(16)]
    data = a_data_set(tmp_path / "data", rows)

    chosen = run(data, tmp_path / "out", where=["part=validation"])["thresholds"]

    assert set(chosen) == {"youden", "specificity_0.80", "specificity_0.90", "specificity_0.95"}  # type: ignore[call-overload]
    assert run(data, tmp_path / "out", where=["part=test"])["thresholds"] is None
    assert run(data, tmp_path / "out")["thresholds"] is None


def test_records_that_may_have_trained_are_said_to_flatter(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"part": part} for part in ("train", "train", "test", "")])

    counts = run(data, tmp_path / "out")["parts"]

    assert counts == {"train": 2, "test": 1, "not said": 1}
    assert "the figures flatter" in (tmp_path / "out/report.md").read_text()
    run(data, tmp_path / "out", where=["part=test"])
    assert "flatter" not in (tmp_path / "out/report.md").read_text()


def test_of_records_without_a_part_nobody_says_whether_they_trained(tmp_path: Path) -> None:
    scorer = GrayScorer()
    scorer.manifest = MANIFEST.model_copy(update={"trained_with": {"data": "luna, soares"}})
    data = a_data_set(tmp_path / "data", [{"dataset": name} for name in ("strange", "soares", "soares")])

    report = evaluate(scorer, [data], tmp_path / "out", draws=50)

    text = (tmp_path / "out/report.md").read_text()
    assert report["parts"] == {"not said": 3}
    assert "Nobody says whether the 3 not said trained this model: it learned from luna, soares" in text
    assert "soares is a data set of a name that it learned from" in text
    evaluate(scorer, [data], tmp_path / "out", where=["dataset=strange"], draws=50)
    text = (tmp_path / "out/report.md").read_text()
    assert "Figures on pictures that it learned from flatter" in text
    assert "a name that it learned from" not in text


def test_records_that_prepare_has_parted_raise_no_doubt(tmp_path: Path) -> None:
    run(a_data_set(tmp_path / "data", [{"part": "validation"}] * 2), tmp_path / "out")

    assert "Nobody says" not in (tmp_path / "out/report.md").read_text()


def test_recalibration_is_fitted_on_validation_only(tmp_path: Path) -> None:
    rows = [{"label": i % 2, "part": "validation" if i < 12 else "test"} for i in range(24)]
    data = a_data_set(tmp_path / "data", rows)

    fitted = run(data, tmp_path / "out", where=["part=validation"])["recalibration"]

    assert set(fitted) == {"temperature", "platt_slope", "platt_intercept", "log_loss"}  # type: ignore[call-overload]
    assert run(data, tmp_path / "out", where=["part=test"])["recalibration"] is None
    assert run(data, tmp_path / "out")["recalibration"] is None


def test_a_threshold_chosen_on_validation_is_applied_elsewhere(tmp_path: Path) -> None:
    rows = [{"label": i % 2, "part": "validation" if i < 12 else "test"} for i in range(24)]
    data = a_data_set(tmp_path / "data", rows)
    chosen = run(data, tmp_path / "val", where=["part=validation"])["thresholds"]["specificity_0.95"]  # type: ignore[index]

    source = (tmp_path / "val/metrics.json", "specificity_0.95")
    report = run(data, tmp_path / "out", where=["part=test"], threshold_from=source)

    called = [float(s["probability"]) >= chosen for s in scores(tmp_path / "out")]
    right = np.mean([c == (s["label"] == "1") for c, s in zip(called, scores(tmp_path / "out"), strict=True)])
    assert (report["threshold"], report["threshold_chosen"]) == (chosen, "specificity_0.95 on validation, from val")
    assert report["metrics"]["accuracy"]["value"] == pytest.approx(right)  # type: ignore[index]


def test_figures_of_what_serving_accepts_stand_beside_those_of_all(tmp_path: Path) -> None:
    report = run(chests(tmp_path / "data", far=[True, False, False]), tmp_path / "out")

    assert (report["n"], report["accepted"]["n"], report["accepted"]["refused"]) == (3, 2, 0)  # type: ignore[index]


@pytest.mark.parametrize(("label", "rate"), [(1, "sensitivity"), (0, "specificity")])
def test_one_class_of_one_group_gives_its_rate_and_no_error(tmp_path: Path, label: int, rate: str) -> None:
    report = run(a_data_set(tmp_path / "data", [{"label": label, "group": "g"}] * 3), tmp_path / "out")

    metrics: dict[str, dict[str, float | None]] = report["metrics"]  # type: ignore[assignment]
    assert metrics[rate]["value"] is not None
    assert metrics["auc"]["value"] is metrics[rate]["low"] is None
    assert report["predictive_values"] == report["decision_curve"] == []
    assert report["figures"] == ["reliability.png", "probabilities.png"]


def test_a_set_of_which_nothing_can_be_read_is_counted_and_no_error(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{}, {}])
    for path in data.glob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n broken")

    report = run(data, tmp_path / "out")

    assert (report["n"], report["unscored"], report["refused"]) == (0, 2, 2)
    assert report["figures"] == []
    assert "unreadable" in (tmp_path / "out/report.md").read_text()


def test_figures_of_an_earlier_evaluation_do_not_stay(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"dataset": "ab"[i % 2], "label": i // 2 % 2} for i in range(8)])

    assert "sources.png" in run(data, tmp_path / "out")["figures"]  # type: ignore[operator]
    assert "roc.png" not in run(data, tmp_path / "out", where=["label=1"])["figures"]  # type: ignore[operator]
    assert not (tmp_path / "out/roc.png").exists()


def test_the_other_class_may_be_the_positive_one(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"label": i % 3 // 2} for i in range(9)])
    one, other = (run(data, tmp_path / "out", positive=name) for name in ("COVID-19", "non-COVID-19"))

    assert (one["positives"], other["positives"]) == (3, 6)
    assert one["metrics"]["sensitivity"] == other["metrics"]["specificity"]  # type: ignore[index]


def test_reports_carry_the_notice_the_figures_and_the_way_to_the_failures(tmp_path: Path) -> None:
    figures = run(a_data_set(tmp_path / "data", [{"label": i % 2} for i in range(8)]), tmp_path / "out")["figures"]

    for name in ("report.md", "report.html"):
        text = (tmp_path / "out" / name).read_text()
        assert NOTICE in text
        assert "failures.html" in text
        assert all(figure in text for figure in figures)  # type: ignore[attr-defined]
        assert "http" not in text


def test_conditions_that_nothing_fulfils_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="No record"):
        run(a_data_set(tmp_path / "data", [{}]), tmp_path / "out", where=["split=test"])


def test_patients_of_both_labels_are_told(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"label": k % 2, "patient": "p" if k < 4 else f"p{k}"} for k in range(8)])

    report = evaluate(GrayScorer(), [data], tmp_path / "out", by=By.PATIENT, draws=50)

    assert (report["cases"], report["patients_of_both_labels"]) == (6, 1)
    assert "1 patients have slices of both labels" in (tmp_path / "out/report.md").read_text()
