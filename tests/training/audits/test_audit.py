import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app import NOTICE
from app.ct.errors import Unreadable
from app.ct.exam import Exam
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files, write
from app.ct.preprocessing import Prepared
from tests.models import the_served_model
from tests.training.audits.scorers import LooksAt, a_chest, chests, lungs, rim
from tests.training.builders import a_data_set
from tests.training.test_cli import exit_code
from training.audits.alterations import UNALTERED, Alteration
from training.audits.audit import audit
from training.audits.blanking import BOX_BLANKED, LUNGS_BLANKED, OUTSIDE_BLANKED
from training.audits.changes import Bootstrap
from training.audits.jpeg import exports
from training.audits.judging import judge
from training.audits.kinds import Audit
from training.audits.plan import Plan
from training.audits.trial import pairs, try_all
from training.measuring.scoring import By
from training.records.catalog import Catalog, CatalogError

Look = Callable[[Prepared], float]
# The ill ones carry a mark at the picture's rim, as those of one hospital may.
GIVEN_AWAY = [{"label": k % 2, "ill": k % 2, "marked": k % 2} for k in range(12)]


@pytest.fixture(scope="module")
def given_away(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chests(tmp_path_factory.mktemp("given") / "away", GIVEN_AWAY)


def run(look: Look, data: Path, out: Path, *only: Audit, by: By | None = None, **plan: Any) -> dict[str, Any]:
    chosen = Plan((data,), only=frozenset(only), by=by, bootstrap=Bootstrap(300, 0), **plan)
    audit(LooksAt(look), data, out, chosen)
    report: dict[str, Any] = json.loads((out / "audit.json").read_text())
    return report


def rows(report: dict[str, Any], audit: Audit = Audit.SHORTCUT, by: str = "slice") -> dict[str, dict[str, Any]]:
    return {f"{r['alteration']} {r['strength']}".strip(): r for r in report[audit]["rows"] if r["by"] == by}


def an_exam(folder: Path, *, label: int = 1) -> Path:
    """A data set of one exam of six slices, as DICOM."""
    write(dicom_files(phantom(slices=6, lesions="many", size=96)), folder / "exam")
    (folder / "manifest.csv").write_text(f"file,label,dataset\nexam,{label},scanner\n")
    return folder


def test_a_classifier_that_looks_at_the_border_is_caught(given_away: Path, tmp_path: Path) -> None:
    found = rows(run(rim, given_away, tmp_path, Audit.SHORTCUT))

    assert found[LUNGS_BLANKED]["auc"]["before"]["value"] == 1.0
    for blanked in (LUNGS_BLANKED, BOX_BLANKED):
        assert found[blanked]["auc"]["after"]["value"] > 0.9
        assert found[blanked]["goal_reached"] is False
    assert found[OUTSIDE_BLANKED]["auc"]["change"]["value"] < -0.3
    assert found[OUTSIDE_BLANKED]["goal_reached"] is False


def test_a_classifier_that_looks_at_the_lungs_is_not(given_away: Path, tmp_path: Path) -> None:
    found = rows(run(lungs, given_away, tmp_path, Audit.SHORTCUT))

    assert found[LUNGS_BLANKED]["auc"]["before"]["value"] > 0.9
    for blanked in (LUNGS_BLANKED, BOX_BLANKED):
        assert found[blanked]["auc"]["after"]["value"] == 0.5
        assert found[blanked]["goal_reached"] is True
    assert found[OUTSIDE_BLANKED]["auc"]["change"]["value"] == pytest.approx(0.0, abs=0.01)
    assert found[OUTSIDE_BLANKED]["goal_reached"] is True


def test_every_row_says_how_much_it_rests_on(given_away: Path, tmp_path: Path) -> None:
    report = run(lungs, given_away, tmp_path, Audit.SHORTCUT)

    row = rows(report)[LUNGS_BLANKED]
    assert (row["n"], row["positives"], row["groups"], row["source"]) == (12, 6, 12, "phantoms")
    assert (report["notice"], report["records"], report[Audit.SHORTCUT]["forms"]) == (NOTICE, 12, {"png": 12})
    assert set(row["auc"]["after"]) == {"value", "low", "high"}
    manifest = LooksAt(lungs).manifest
    assert report["model"]["weights_sha256"] == manifest.files["weights.safetensors"]
    assert report["model"]["judgement_sha256"] == manifest.judgement_sha256


def test_an_audit_leaves_a_table_and_a_picture(given_away: Path, tmp_path: Path) -> None:
    run(lungs, given_away, tmp_path, Audit.SHORTCUT, Audit.JPEG, sample=1)

    assert {p.name for p in tmp_path.iterdir()} == {
        "audit.json",
        "audit.md",
        *(f"{name}.{suffix}" for name in ("shortcut", "jpeg") for suffix in ("csv", "png")),
    }
    text = (tmp_path / "audit.md").read_text()
    assert NOTICE in text
    assert "| lungs blanked | phantoms | slice | 2 (2) |" in text
    assert "2 records of away, whatever they are, at most 1 of each source and label." in text
    assert "300 draws, seed 0" in text


def test_pictures_of_an_earlier_audit_do_not_stay(given_away: Path, tmp_path: Path) -> None:
    (tmp_path / "jpeg.png").write_bytes(b"of another model")

    run(lungs, given_away, tmp_path, Audit.SHORTCUT, sample=1)

    assert not (tmp_path / "jpeg.png").exists()


def test_every_pair_is_written_down(given_away: Path, tmp_path: Path) -> None:
    run(rim, given_away, tmp_path, Audit.SHORTCUT, sample=1)

    with (tmp_path / "shortcut.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if line["alteration"] == LUNGS_BLANKED]
    assert sorted((line["label"], line["by"], line["refused_after"]) for line in lines) == [
        ("0", "slice", "False"),
        ("1", "slice", "False"),
    ]
    assert all(0 < float(line["before"]) < 1 for line in lines)


def test_several_sources_also_have_a_row_together(given_away: Path, tmp_path: Path) -> None:
    chests(tmp_path / "others", [{"label": 0}], dataset="others")
    plan = Plan((given_away, tmp_path / "others"), only=frozenset({Audit.SHORTCUT}), bootstrap=Bootstrap(300, 0))

    report = audit(LooksAt(lungs), given_away, tmp_path / "out", plan)

    counts = {row["source"]: row["n"] for row in report[Audit.SHORTCUT]["rows"]}
    assert counts == {"others": 1, "phantoms": 12, "all": 13}


def test_one_class_gives_changes_and_no_auc(tmp_path: Path) -> None:
    data = chests(tmp_path / "data", [{"label": 1, "ill": 1}, {"label": 1, "ill": 1}])

    row = rows(run(lungs, data, tmp_path / "out", Audit.SHORTCUT))[OUTSIDE_BLANKED]

    assert (row["auc"]["after"]["value"], row["goal_reached"], row["n"]) == (None, None, 2)
    assert row["moves"]["largest"] is not None
    assert not (tmp_path / "out" / "shortcut.png").exists()


def test_as_many_slices_of_an_exam_are_judged_as_the_service_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    exam, model = phantom(slices=90, size=96).exam(), LooksAt(lungs)
    model.precision = "f32"

    (found,) = judge([(exam, UNALTERED.look)], model)

    assert len(found.slices) == 32


def test_a_single_exam_is_measured_by_exam_and_by_slice(tmp_path: Path) -> None:
    report = run(lungs, an_exam(tmp_path / "data"), tmp_path / "out", Audit.JPEG, Audit.ROBUSTNESS)

    assert report["slices_at_most"] == 64
    assert "Of an exam at most 64 slices are scored." in (tmp_path / "out/audit.md").read_text()

    quality = "JPEG quality 75"
    of_exam, of_slices = (rows(report, Audit.JPEG, by)[quality] for by in ("exam", "slice"))
    assert (of_exam["n"], of_exam["groups"], of_exam["auc"]["after"]["value"]) == (1, 1, None)
    assert of_slices["n"] > 1
    assert of_slices["positives"] is None
    assert {"thickness 3 slices", "window -500, 1400 HU"} <= set(rows(report, Audit.ROBUSTNESS, "exam"))
    assert report[Audit.JPEG]["forms"] == {"dicom": 1}


@pytest.mark.parametrize(("missing", "before"), [(range(0), "COVID_19"), (range(40, 50), "INCONCLUSIVE")])
def test_gaps_in_the_lungs_withhold_a_verdict_until_pictures_no_longer_show_them(
    tmp_path: Path, missing: range, before: str
) -> None:
    files = dicom_files(phantom(slices=90, size=96))
    write([file for number, file in enumerate(files) if number not in missing], tmp_path / "exam")
    (tmp_path / "manifest.csv").write_text("file,label\nexam,1\n")
    as_jpeg, model = exports()[0], LooksAt(lambda _: 250.0)

    cases = try_all(Catalog.read(tmp_path).records, [as_jpeg], model, seed=0, progress=lambda *_: None)

    (pair,) = pairs(cases, as_jpeg, By.EXAM, model.manifest)
    assert (pair.verdict_before, pair.verdict_after) == (before, "COVID_19")


def test_only_the_level_asked_for_is_given(tmp_path: Path) -> None:
    report = run(lungs, an_exam(tmp_path / "data"), tmp_path / "out", Audit.SHORTCUT, by=By.EXAM)

    assert {row["by"] for row in report[Audit.SHORTCUT]["rows"]} == {"exam"}


def test_slices_without_lungs_and_files_that_cannot_be_read_are_no_error(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{}, {}])
    Image.new("L", (64, 48), 255).save(data / "000.png")
    (data / "001.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")

    report = run(lungs, data, tmp_path / "out", *set(Audit) - {Audit.RANDOMIZED})

    row = rows(report)[LUNGS_BLANKED]
    assert (row["n"], row["lost"], row["refused_before"]) == (0, 1, 1)
    assert report[Audit.SHORTCUT]["forms"] == {"png": 1, "unread": 1}
    assert (tmp_path / "out/audit.md").read_text().count("1 records cannot be read, and no figure is of them.") == 3


def test_an_exam_that_cannot_be_read_once_altered_is_counted_as_lost(tmp_path: Path) -> None:
    def spoil(_: Exam, __: np.random.Generator) -> Exam:
        raise Unreadable("spoiled")

    records = Catalog.read(chests(tmp_path / "data", [{"label": 0}])).records
    spoiled = Alteration("spoiled", "", change=spoil)

    (case,) = try_all(records, [spoiled], LooksAt(lungs), seed=0, progress=lambda *_: None)

    assert case.before.probability is not None
    assert (case.after[spoiled].probability, case.after[spoiled].refused) == (None, "unreadable")


def test_a_sample_holds_as_many_of_each_source_and_label_and_is_the_same_again(given_away: Path) -> None:
    def labels(sample: int | None) -> Sequence[int]:
        return [r.label for r in Plan((given_away,), sample=sample).records()]

    assert sorted(labels(3)) == [0, 0, 0, 1, 1, 1]
    assert len(labels(None)) == 12
    assert Plan((given_away,), sample=3).records() == Plan((given_away,), sample=3).records()


def test_a_patient_whose_scans_are_groups_of_their_own_is_resampled_whole(tmp_path: Path) -> None:
    rows = [{"patient": f"p{k // 2}", "group": f"scan{k}"} for k in range(6)]

    records = Plan((a_data_set(tmp_path / "data", rows),)).records()

    assert len({record.group for record in records}) == 3


def test_no_record_to_audit_is_said(given_away: Path) -> None:
    with pytest.raises(CatalogError, match="No record"):
        Plan((given_away,), where=("label=1", "label=0")).records()


def test_a_dark_picture_of_a_chest_is_scored_by_the_very_code_that_serves(tmp_path: Path) -> None:
    Image.fromarray(a_chest()).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("file,label\na.png,0\n")
    model = the_served_model()

    code = exit_code(
        "audit", "--model", model, tmp_path, "-o", tmp_path / "out", "--only", "shortcut", "--engine", "openvino"
    )

    assert code == 0
    (row, *_) = json.loads((tmp_path / "out/audit.json").read_text())["shortcut"]["rows"]
    assert (row["n"], row["refused_before"]) == (1, 0)


def test_an_unknown_audit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("audit", "--model", tmp_path, tmp_path, "-o", tmp_path, "--only", "everything") == 2
    assert "everything" in capsys.readouterr().err
