import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.ct.affected import Estimate
from app.ct.classifier import Classifier
from app.ct.preprocessing import Prepared
from app.ct.scores import SliceScores
from app.web.basis import recognized
from tests.fakes import a_manifest, an_affected_spec
from tests.models import the_served_model
from training.deciding.affected import Extent, extents, fit_affected, teaches_extent
from training.records.catalog import Catalog, CatalogError, Part, Record
from training.studies.affected_agreement import (
    Pair,
    agreement,
    by_patient,
    by_slice,
    measure_with,
    phantom_pairs,
)
from training.studies.affected_study import FIGURES, TABLE, study

GRID = 20


def an_extent(
    patient: str, share: float, rng: np.random.Generator, *, sees: float = 0.8, noise: float = 0.05
) -> Extent:
    """A slice that is lung all over; lesions fill it from the left, and so does what the map sees of them."""
    lesion = np.zeros((GRID, GRID), np.float32)
    lesion[:, : round(share * GRID)] = 1
    evidence = np.clip(sees * lesion + rng.normal(0, noise, lesion.shape), 0, 1).astype(np.float32)
    return Extent(patient, evidence, np.ones_like(lesion), lesion, pixels=1000)


def some_extents(patients: int = 8, *, sees: float = 0.8) -> list[Extent]:
    rng = np.random.default_rng(0)
    ill = [an_extent(f"p{k}", rng.uniform(0.05, 0.5), rng, sees=sees) for k in range(patients) for _ in range(6)]
    return [*ill, *(an_extent("", 0.0, rng) for _ in range(20))]


def test_a_map_that_sees_lesions_whole_is_taken_as_it_is():
    spec = fit_affected(some_extents())

    assert spec is not None
    assert spec.slope == pytest.approx(1.0, abs=0.02)
    assert "48 slices of 8 patients" in spec.rests_on
    assert "20 slices of healthy people" in spec.rests_on
    assert recognized(spec.rests_on)


def test_the_error_holds_for_patients_that_were_not_fitted():
    rng = np.random.default_rng(1)
    spec = fit_affected(some_extents(12))
    assert spec is not None

    others = [an_extent(f"q{k}", rng.uniform(0, 0.5), rng) for k in range(40)]

    assert np.mean([p.estimate.low <= p.true <= p.estimate.high for p in by_slice(others, spec)]) >= 0.85


def test_too_few_patients_or_a_blind_map_give_no_estimate():
    assert fit_affected(some_extents(4)) is None
    assert fit_affected(some_extents(8, sees=0.0)) is None
    assert fit_affected([]) is None


def a_record(folder: Path, name: str, *, dataset: str, part: Part, lesion: float = 0.0, **more: object) -> Record:
    """A chest of two dark lungs in bright tissue; a share of each lung is filled, and a mask says where."""
    gray, mask = np.full((96, 128), 200, np.uint8), np.zeros((96, 128), np.uint8)
    gray[:6], gray[-6:], gray[:, :6], gray[:, -6:] = 0, 0, 0, 0
    for left in (20, 70):
        gray[18:78, left : left + 38] = 40
        mask[18 : 18 + round(60 * lesion), left : left + 38] = 255
    gray[mask > 0] = 90
    Image.fromarray(gray).save(folder / f"{name}.png")
    if lesion:
        Image.fromarray(mask).save(folder / f"{name}-mask.png")
    return Record(
        file=folder / f"{name}.png",
        label=int(lesion > 0),
        dataset=dataset,
        group=str(more.get("group", name)),
        part=part,
        mask=folder / f"{name}-mask.png" if lesion else None,
    )


def some_records(folder: Path) -> list[Record]:
    ill = [
        a_record(folder, f"i{k}", dataset="vol20", part=Part.TRAIN, lesion=0.1 + 0.05 * k, group=f"p{k // 2}")
        for k in range(12)
    ]
    kept = [a_record(folder, f"m{k}", dataset="medseg48", part=Part.MEASURE, lesion=0.3) for k in range(3)]
    healthy = [a_record(folder, f"h{k}", dataset="luna", part=Part.VALIDATION) for k in range(4)]
    return [*ill, *kept, *healthy]


class GrayMaps:
    """Sees evidence wherever the prepared picture is brighter than lung and darker than tissue."""

    engine_name = "keras"

    def __init__(self, **spec: float) -> None:
        self.manifest = a_manifest(affected=an_affected_spec(**spec) if spec else None)

    def score_prepared(self, prepared: list[Prepared]) -> SliceScores:
        gray = np.stack([p.image for p in prepared]).astype(np.float32)
        hazy = np.abs(gray - 90) < 35
        evidence = np.stack([np.asarray(Image.fromarray(h.astype(np.float32)).resize((38, 38), 4)) for h in hazy])
        return SliceScores(
            tuple(range(len(prepared))),
            logits=np.zeros(len(prepared), np.float32),
            share=evidence,
            evidence=evidence,
            boxes=np.array([p.box for p in prepared]),
            evidence_in_lung=np.ones(len(prepared), np.float32),
            lung_found=np.ones(len(prepared), bool),
            distance=np.zeros(len(prepared), np.float32),
        )


def test_what_is_there_to_measure_is_never_fitted(tmp_path: Path):
    fitted = [r.dataset for r in some_records(tmp_path) if teaches_extent(r)]

    assert set(fitted) == {"vol20", "luna"}


def test_a_record_says_how_much_of_its_lung_is_lesion(tmp_path: Path):
    from app.ct.preprocessing import make_preprocessor

    scorer = GrayMaps()
    record = a_record(tmp_path, "one", dataset="vol20", part=Part.TRAIN, lesion=0.5)

    (found,) = extents([record], make_preprocessor("lung-box", 152), lambda p: scorer.score_prepared(list(p)).evidence)

    lung, lesion = found.true_areas
    assert lesion == pytest.approx(2 * 30 * 38, rel=0.05)
    assert lesion / lung == pytest.approx(0.5, abs=0.1)


def test_the_study_fits_measures_and_tells(tmp_path: Path):
    Catalog(tuple(some_records(tmp_path))).write(tmp_path / "catalog.csv")
    pairs = [Pair(Estimate(0.1, 0.0, 0.2), 0.1 * k, f"body {k}") for k in range(3)]

    study(GrayMaps(), tmp_path, tmp_path / "out", phantoms=lambda *_: pairs, draws=100)

    told = json.loads((tmp_path / "out" / FIGURES).read_text())
    assert set(told["measured"]) == {"medseg48"}
    assert told["measured"]["medseg48"]["by_slice"]["mean_absolute_error"]["value"] < 0.1
    assert told["affected"]["threshold"] == told["fitted_anew"]["threshold"] > 0
    assert told["phantoms"]["n"] == 3
    assert "medseg48" in (tmp_path / "out" / TABLE).read_text()


def test_the_study_measures_what_the_model_estimates_and_not_what_it_would_fit_now(tmp_path: Path):
    Catalog(tuple(some_records(tmp_path))).write(tmp_path / "catalog.csv")
    asked = []

    told = study(
        GrayMaps(threshold=0.3, slope=7.0),
        tmp_path,
        tmp_path / "out",
        phantoms=lambda spec, _: asked.append(spec.slope) or [Pair(Estimate(0.1, 0.0, 0.2), 0.1, "body")],
        draws=50,
    )

    assert (told["affected"]["threshold"], told["affected"]["slope"], asked) == (0.3, 7.0, [7.0])
    assert told["fitted_anew"]["slope"] != 7.0
    # Seven times what there is.
    assert told["measured"]["medseg48"]["by_slice"]["bias"]["value"] > 0.3
    assert "times 7.000" in (tmp_path / "out" / TABLE).read_text()


def test_a_study_without_masks_says_what_is_missing(tmp_path: Path):
    records = [r for r in some_records(tmp_path) if r.mask is None]
    Catalog(tuple(records)).write(tmp_path / "catalog.csv")

    with pytest.raises(CatalogError, match="too few patients with lesion masks"):
        study(GrayMaps(), tmp_path, tmp_path / "out")


def test_agreement_is_what_it_is_by_hand():
    pairs = [
        Pair(Estimate(v, v - 0.05, v + 0.05), t, g) for v, t, g in [(0.1, 0.2, "a"), (0.4, 0.4, "b"), (0.6, 0.5, "c")]
    ]

    found = agreement(pairs, draws=200)

    assert found["mean_absolute_error"].value == pytest.approx(0.2 / 3)
    assert found["correlation"].value == pytest.approx(np.corrcoef([0.1, 0.4, 0.6], [0.2, 0.4, 0.5])[0, 1])
    assert found["bias"].value == pytest.approx(0.0)
    assert found["limit_high"].value == pytest.approx(1.96 * np.std([-0.1, 0, 0.1]))
    assert found["inside_band"].value == pytest.approx(1 / 3)
    assert found["mean_absolute_error"].low is not None


def test_estimates_that_are_right_in_every_group_have_a_binomial_limit_of_the_share_inside_the_band_alone():
    found = agreement([Pair(Estimate(0.2, 0.1, 0.3), 0.2, group) for group in "abc"], draws=50)

    assert {name for name, figure in found.items() if figure.low is not None} == {"inside_band"}
    assert (found["bias"].value, found["inside_band"].high) == (0.0, 1.0)


def test_one_group_has_figures_without_intervals_and_no_correlation():
    found = agreement([Pair(Estimate(0.2, 0.1, 0.3), 0.2, "a")], draws=50)

    assert (found["mean_absolute_error"].value, found["mean_absolute_error"].low) == (0.0, None)
    assert found["correlation"].value is None


def test_a_patient_is_all_slices_together():
    rng = np.random.default_rng(2)
    found = [an_extent("a", share, rng, noise=0.0) for share in (0.0, 0.5)]

    (pair,) = by_patient(found, an_affected_spec())

    assert pair.true == pytest.approx(0.25)
    assert pair.estimate.value == pytest.approx(0.25)


def test_records_are_measured_where_a_mask_exists(tmp_path: Path):
    records = some_records(tmp_path)
    unmasked = [r for r in records if r.mask is None]

    assert measure_with(an_affected_spec(), unmasked, GrayMaps()) is None
    told = measure_with(an_affected_spec(), records, GrayMaps(), draws=50)
    assert told is not None
    assert (told["n"], told["groups"]) == (15, 9)
    assert "by_patient" in told


def test_the_served_maps_tell_a_phantoms_extent_within_a_fitted_error():
    classifier = Classifier.load(the_served_model(), engine="openvino")
    spec = classifier.manifest.affected

    none, some, much = phantom_pairs(spec, classifier, slices=14, size=192, lesions=(0, 12, 60), bodies=[1])

    assert none.estimate.value < some.estimate.value < much.estimate.value
    assert all(p.estimate.low <= p.true <= p.estimate.high for p in (none, some, much))
