import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.ct.diagnosis import exam_probability
from app.ct.exam import Exam, Slice
from app.ct.exam_rule import Decision, TopShareMean
from app.ct.manifest import Manifest
from app.ct.precision import Precision
from app.ct.scores import SliceScores
from app.web.basis import recognized
from tests.fakes import a_manifest
from training.deciding.decisions import Judged, decide, undecided
from training.deciding.exam_rules import CANDIDATES, choose_exam_rule, chosen, fitted, measured, separation
from training.deciding.patients import HEALTHY_PER_SLICE, patients_of, with_healthy
from training.deciding.stability import LogitsOf, WholeExam, phantom_exams, stability
from training.records.catalog import Catalog, CatalogError, Part, Record
from training.studies.rule_study import RULES, TABLE, served_and_chosen, study

HEALTHY = np.random.default_rng(0).normal(-2.0, 0.2, 40)


def a_scored(*, strongest_tell: bool) -> Judged:
    """Twenty patients of six slices: what tells them apart is one slice, or all."""
    rng = np.random.default_rng(1)
    labels = np.arange(20) % 2
    logits = rng.normal(-1, 0.3 if not strongest_tell else 0.7, (20, 6))
    logits[:, 0] += np.where(labels == 1, 2.0, 0.0) if strongest_tell else 0.0
    logits += 0.0 if strongest_tell else np.where(labels == 1, 2.0, 0.0)[:, None]
    groups = np.repeat([f"p{k}" for k in range(20)], 6)
    return Judged(logits.ravel(), np.repeat(labels, 6), ["d/a"] * 120, groups.tolist())


def an_exam(ill_share: float, *, slices: int = 96, **body: int) -> WholeExam:
    """A run of ill slices among healthy ones."""
    logits = np.random.default_rng(2).normal(-2.0, 0.2, slices)
    first = slices // 3
    logits[first : first + round(ill_share * slices)] += 4.0
    return WholeExam("an exam", logits, **body)


def phantoms() -> list[WholeExam]:
    return [an_exam(share, body=0, lesions=k) for k, share in enumerate((0.0, 0.25, 0.6))]


def test_a_rule_that_healthy_slices_do_not_move_is_preferred():
    patients = with_healthy(patients_of(a_scored(strongest_tell=True)), HEALTHY)

    diluted, steady = (
        separation(CANDIDATES[name], patients, draws=50) for name in ("mean logit", "log-mean-exp, sharpness 4")
    )

    assert (steady.mixed.value or 0) > (diluted.mixed.value or 0) + 0.1


def test_patients_are_judged_as_sent_and_among_as_many_healthy_slices_of_either_class():
    patients = patients_of(a_scored(strongest_tell=True))

    mixed = with_healthy(patients, HEALTHY)

    assert len(mixed) == len(patients) * len(HEALTHY_PER_SLICE)
    assert {(p.label, p.healthy_per_slice, len(p.logits)) for p in mixed} == {
        (label, k, 6 * (1 + k)) for label in (0, 1) for k in HEALTHY_PER_SLICE
    }


def test_an_auc_rests_on_the_patients_of_the_rarer_class():
    patients = patients_of(a_scored(strongest_tell=False))
    rule, lone = CANDIDATES["mean logit"], [p for p in patients if p.label == 0 or p.group == "p1"]
    few = [p for p in patients if p.label == 0 or p.group in ("p1", "p3", "p5")]

    assert separation(rule, lone, draws=50).as_sent.low is None
    assert separation(rule, few, draws=50).as_sent.low == pytest.approx(0.025 ** (1 / 3))


def test_a_mean_auc_rests_on_the_data_set_with_the_fewest_and_not_on_those_of_one_class():
    patients = patients_of(a_scored(strongest_tell=False))
    ill = [p for p in patients if p.label == 1]
    rule, others = CANDIDATES["mean logit"], [replace(p, cell="e", group=f"e{p.group}") for p in ill]
    lone = replace(next(p for p in patients if p.label == 0), cell="e", group="lone")

    assert separation(rule, [*patients, *others], draws=50).as_sent.low == pytest.approx(0.025 ** (1 / 10))
    assert separation(rule, [*patients, *others, lone], draws=50).as_sent.low is None


def a_scored_that_falls_on_average() -> Judged:
    """Eight patients of six slices; those with COVID-19 have one strong slice among weak ones."""
    logits = np.random.default_rng(4).normal(0.0, 0.1, (8, 6))
    logits[::2] -= 3.0
    logits[::2, 0] += np.linspace(5.0, 6.0, 4)
    groups = np.repeat([f"p{k}" for k in range(8)], 6)
    return Judged(logits.ravel(), np.repeat([1, 0] * 4, 6), ["d"] * 48, groups.tolist())


def test_rules_that_do_not_rise_with_the_label_are_not_among_those_chosen_of():
    scored = a_scored_that_falls_on_average()
    rules = measured(patients_of(scored), [], draws=50)

    told = choose_exam_rule(scored, np.empty(0), draws=50).rests_on

    assert "mean logit" not in [rule.name for rule in rules]
    assert 0 < len(rules) < len(CANDIDATES)
    assert told.startswith(f"Chosen of {len(rules)} rules ")


def test_without_healthy_slices_patients_stay_as_sent():
    patients = patients_of(a_scored(strongest_tell=True))

    assert [p.healthy_per_slice for p in with_healthy(patients, np.empty(0))] == [0] * 20


def test_slices_of_no_known_patient_and_single_slices_are_no_patients():
    scored = Judged(np.zeros(5), np.array([1, 1, 0, 0, 1]), ["d"] * 5, ["a", "a", "", "", "b"])

    assert [p.group for p in patients_of(scored)] == ["a"]


def test_a_fitted_rule_turns_pooled_logits_into_probabilities():
    patients = patients_of(a_scored(strongest_tell=False))

    rule = fitted(CANDIDATES["mean logit"], patients)

    ill = [exam_probability(p.logits, rule) > 0.5 for p in patients]
    assert ill == [p.label == 1 for p in patients]


def test_the_band_of_exams_is_wider_than_that_of_slices():
    scored = a_scored(strongest_tell=False)

    exam, image = (
        choose_exam_rule(scored, HEALTHY, draws=50).decision,
        decide(scored.logits, scored.labels, np.ones(120)),
    )

    assert exam.band[0] < image.band[0]


def test_a_rule_that_answers_by_the_number_of_slices_is_never_chosen():
    patients = with_healthy(patients_of(a_scored(strongest_tell=False)), HEALTHY)
    rules = measured(patients, phantoms(), draws=50)

    noisy = next(r for r in rules if r.name == "noisy-or of all slices")

    assert noisy.stability.largest_change > 0.3
    assert chosen(rules).stability.largest_change < 0.1


def test_of_rules_that_tell_patients_apart_alike_the_steadiest_is_chosen():
    rules = measured(patients_of(a_scored(strongest_tell=False)), phantoms(), draws=50)
    best = chosen(rules)

    alike = [r for r in rules if r.separation.mixed.value == best.separation.mixed.value and r.stability.in_order]

    assert best.stability.largest_change == min(r.stability.largest_change for r in alike if not r.stability.opposite)


def test_a_rule_that_puts_phantoms_out_of_order_is_out():
    upside_down = [an_exam(share, body=0, lesions=-k) for k, share in enumerate((0.0, 0.25, 0.6))]

    assert stability(CANDIDATES["mean logit"], phantoms()).in_order is True
    assert stability(CANDIDATES["mean logit"], upside_down).in_order is False
    assert stability(CANDIDATES["mean logit"], [an_exam(0.2)]).in_order is None


def test_the_rule_says_what_it_rests_on():
    told = choose_exam_rule(a_scored(strongest_tell=True), HEALTHY, phantoms(), draws=50).rests_on

    assert "20 validation patients of d " in told
    assert "among 40 healthy slices" in told
    assert "On 3 phantoms" in told
    assert "read exam probabilities as a ranking" in told


def test_what_rules_rest_on_is_told_in_other_languages():
    for healthy, exams in ((HEALTHY, phantoms()), (HEALTHY[:0], ())):
        assert recognized(choose_exam_rule(a_scored(strongest_tell=True), healthy, exams, draws=50).rests_on)


@pytest.mark.parametrize("labels", [[1, 1, 1, 1], []])
def test_without_patients_of_both_classes_the_rule_is_plain_and_says_so(labels):
    groups = [f"p{k // 2}" for k in range(len(labels))]
    scored = Judged(np.zeros(len(labels)), np.array(labels, dtype=int), ["d"] * len(labels), groups)

    rule = choose_exam_rule(scored, HEALTHY)

    assert isinstance(rule, TopShareMean)
    assert rule.rests_on.startswith("Chosen on nothing")
    assert recognized(rule.rests_on)


def test_where_no_rule_rises_with_the_label_the_rule_is_plain_and_says_so():
    scored = a_scored(strongest_tell=False)
    fallen = Judged(-scored.logits, scored.labels, scored.cells, scored.patients)

    rule = choose_exam_rule(fallen, HEALTHY, draws=50)

    assert isinstance(rule, TopShareMean)
    assert rule.decision == undecided()
    assert "no rule rose with the label" in rule.rests_on
    assert recognized(rule.rests_on)


@pytest.mark.parametrize("ill_share", [0.0, 0.3, 0.6])
def test_fewer_slices_evenly_chosen_never_turn_a_verdict_round(ill_share):
    rule = choose_exam_rule(a_scored(strongest_tell=True), HEALTHY, phantoms(), draws=50)

    assert stability(rule, [an_exam(ill_share)]).opposite == 0


def test_healthy_slices_at_the_ends_of_a_scan_never_turn_a_verdict_round():
    rule = choose_exam_rule(a_scored(strongest_tell=True), HEALTHY, phantoms(), draws=50)
    exam = an_exam(0.6)
    longer = np.concatenate([exam.logits, np.full(len(exam.logits), -2.0)])

    tight, wide = exam_probability(exam.logits, rule), exam_probability(longer, rule)

    assert tight > rule.decision.band[1]
    assert wide >= rule.decision.band[0]


class GrayScorer:
    """The brighter, the more COVID-19."""

    manifest: Manifest = a_manifest()
    engine_name = "gray"
    on_gpu = False
    precision: Precision = "bf16"

    def score(self, slices: Sequence[Slice], *, indices: Sequence[int] | None = None) -> SliceScores:
        maps = np.zeros((len(slices), 2, 2), np.float32)
        return SliceScores(
            tuple(range(len(slices)) if indices is None else indices),
            logits=np.array([(float(s.gray.mean()) - 100) / 10 for s in slices], np.float32),
            share=maps,
            evidence=maps,
            boxes=np.zeros((len(slices), 4), np.int32),
            evidence_in_lung=np.ones(len(slices), np.float32),
            lung_found=np.ones(len(slices), bool),
            distance=np.zeros(len(slices), np.float32),
        )

    def score_chunks(self, exam: Exam, indices: Sequence[int], *, chunk: int = 8) -> Iterator[SliceScores]:
        for start in range(0, len(indices), chunk):
            part = indices[start : start + chunk]
            yield self.score([exam.slices[i] for i in part], indices=part)


ALIKE = ((90, 90, 90), (120, 120, 120))
ONE_BRIGHT = ((120, 120, 120), (150, 90, 90))


def a_work(folder: Path, *, labels: Sequence[int] = (0, 1), grays: tuple[tuple[int, int, int], ...] = ALIKE) -> Path:
    """Sixteen validation patients of three slices, of these grays by label, and six healthy slices of others."""
    rng, records = np.random.default_rng(3), []
    for k in range(54):
        patient, label = k // 3, labels[(k // 3) % len(labels)]
        file = folder / f"{k:02}.png"
        Image.fromarray(rng.normal(grays[label][k % 3], 20, (48, 64)).clip(0, 255).astype(np.uint8)).save(file)
        who = ("covid-ct", label, f"p{patient}") if patient < 16 else ("luna", 0, "")
        group = who[2] or file.name
        records.append(
            Record(file=file, dataset=who[0], label=who[1], patient=who[2], group=group, part=Part.VALIDATION)
        )
    Catalog(tuple(records)).write(folder / "catalog.csv")
    return folder


def small_phantoms(logits_of: LogitsOf) -> list[WholeExam]:
    return phantom_exams(logits_of, slices=20, size=128)


def test_the_study_writes_every_rule_beside_the_one_that_is_served(tmp_path: Path):
    study(GrayScorer(), a_work(tmp_path), tmp_path / "out", phantoms=small_phantoms, draws=50)

    told = json.loads((tmp_path / "out" / RULES).read_text())
    names = [rule["name"] for rule in told["rules"]]
    assert names == [*CANDIDATES, "as served"]
    assert told["not_rising_with_the_label"] == []
    assert told["chosen"] in CANDIDATES
    assert (told["patients"], told["healthy_slices"]) == (16, 6)
    assert told["rules"][0]["auc_by_dataset"]["covid-ct"]["as_sent"]["value"] == 1.0
    text = (tmp_path / "out" / TABLE).read_text()
    assert f"**{told['chosen']}**" in text
    assert told["served"] == "mean of the strongest 20%"
    assert "Served: mean of the strongest 20%. On these scores the same procedure chooses" in text


def test_the_study_names_the_rules_that_do_not_rise_with_the_label(tmp_path: Path):
    study(GrayScorer(), a_work(tmp_path, grays=ONE_BRIGHT), tmp_path / "out", phantoms=lambda _: [], draws=50)

    told = json.loads((tmp_path / "out" / RULES).read_text())
    names = {rule["name"] for rule in told["rules"]}
    assert "mean logit" in told["not_rising_with_the_label"]
    assert {*told["not_rising_with_the_label"], *names} == {*CANDIDATES, "as served"}
    assert "they do not rise with the label: " in (tmp_path / "out" / TABLE).read_text()


def test_a_study_in_which_no_rule_rises_says_so(tmp_path: Path):
    darker_when_ill = a_work(tmp_path, grays=(ALIKE[1], ALIKE[0]))

    with pytest.raises(CatalogError, match="No rule rises with the label"):
        study(GrayScorer(), darker_when_ill, tmp_path / "out", phantoms=lambda _: [], draws=50)


def a_study(chosen: str, *, auc: float) -> dict[str, object]:
    """Two rules as ``exam_rules.json`` has them; the second is the served one, fitted again."""
    mixed = {"value": auc, "low": auc - 0.01, "high": auc + 0.01}
    rules = {
        "mean": {"name": "top-share-mean", "top_share": 1.0},
        "a third": {"name": "top-share-mean", "top_share": 0.3},
    }
    figures = ({"value": 0.8, "low": 0.7, "high": 0.9}, mixed)
    told = [
        {"name": name, "rule": rule | {"slope": 2.0, "intercept": 0.1}, "auc": {"mixed": figure}}
        for (name, rule), figure in zip(rules.items(), figures, strict=True)
    ]
    return {"chosen": chosen, "rules": told}


@pytest.mark.parametrize(
    ("chosen", "auc", "said"),
    [
        ("a third", 0.81, "Served: a third. On these scores the same procedure chooses it too."),
        ("mean", 0.805, "than the one served, mean: the choice hangs on differences smaller than its error."),
        (
            "mean",
            0.7,
            "Served: a third. On these scores the same procedure chooses another rule than the one served, mean.",
        ),
    ],
)
def test_a_study_that_would_choose_another_rule_than_is_served_says_so(chosen: str, auc: float, said: str):
    served = TopShareMean(top_share=0.3, slope=0.7, decision=Decision(threshold=0.5, band=(0.4, 0.6)), rests_on="")

    assert served_and_chosen(a_study(chosen, auc=auc), served).endswith(said)
    assert served_and_chosen({"rules": []}, served) == ""


def test_a_study_without_patients_of_both_classes_says_so(tmp_path: Path):
    with pytest.raises(CatalogError, match="no validation patients of both classes"):
        study(GrayScorer(), a_work(tmp_path, labels=(1,)), tmp_path / "out", phantoms=small_phantoms)
    with pytest.raises(CatalogError, match="in the data sets elsewhere; others can be named with --dataset"):
        study(GrayScorer(), a_work(tmp_path), tmp_path / "out", datasets=["elsewhere"], phantoms=small_phantoms)


def test_a_folder_given_as_an_exam_must_hold_one(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    work = a_work(tmp_path)

    with pytest.raises(CatalogError, match="holds no file"):
        study(GrayScorer(), work, tmp_path / "out", phantoms=lambda _: [], exams=[tmp_path / "empty"])
