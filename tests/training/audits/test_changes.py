from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from app.ct.diagnosis import Verdict, verdict
from app.ct.manifest import Decision
from tests.fakes import a_manifest
from training.audits.alterations import Alteration
from training.audits.changes import ALL, Bootstrap, Row, auc_pair, row
from training.audits.judging import Judged
from training.audits.tables import changes_table
from training.audits.trial import Case, Pair, pairs
from training.measuring.scoring import By
from training.records.catalog import Record

BOOTSTRAP = Bootstrap(200, 0)
DECISION = Decision(threshold=0.5, band=(0.4, 0.6))
NOISE, SPOILED = Alteration("noise", "2"), Alteration("spoiled", "")


def a_pair(before: float | None, after: float | None, *, label: int | None = 1, group: str = "g") -> Pair:
    return Pair(
        label,
        group,
        "source",
        before,
        after,
        refused_before=False,
        refused_after=True,
        verdict_before=None if before is None else verdict(before, DECISION),
        verdict_after=None if after is None else verdict(after, DECISION),
        decision=DECISION,
    )


def measured(*tried: Pair) -> Row:
    return row(tried, NOISE, source=ALL, by=By.SLICE, bootstrap=BOOTSTRAP)


def test_a_row_by_hand() -> None:
    found = measured(a_pair(0.9, 0.8), a_pair(0.2, 0.3, label=0), a_pair(0.3, 0.6, label=0), a_pair(0.7, None))

    assert (found.n, found.positives, found.lost, found.refused_before, found.refused_after) == (3, 1, 1, 0, 4)
    assert found.moves.largest == pytest.approx(0.3)
    assert found.moves.median == pytest.approx(0.1)
    assert (found.auc.before.value, found.auc.after.value) == (1.0, 1.0)
    assert (found.medians.positives_after, found.medians.negatives_after) == (0.8, pytest.approx(0.45))


def test_flips_are_told_apart_by_where_the_case_lay_before() -> None:
    out_of_the_band = a_pair(0.7, 0.3)
    within_the_band = a_pair(0.55, 0.45)
    on_its_side = a_pair(0.7, 0.55)

    moves = measured(out_of_the_band, within_the_band, on_its_side).moves

    assert (moves.flips_outside, moves.flips_inside, moves.flips.value) == (1, 1, pytest.approx(2 / 3))
    assert moves.verdicts_changed == 2


def test_a_verdict_that_was_held_back_and_no_longer_is_has_changed() -> None:
    held_back = replace(a_pair(0.9, 0.9), verdict_before=Verdict.INCONCLUSIVE)

    moves = measured(held_back, a_pair(0.9, 0.9)).moves

    assert (moves.verdicts_changed, moves.flips.value) == (1, 0.0)


def test_one_class_has_changes_and_no_auc() -> None:
    found = measured(a_pair(0.9, 0.8), a_pair(0.7, 0.7, group="h"))

    assert (found.auc.before.value, found.auc.change.value) == (None, None)
    assert found.moves.largest == pytest.approx(0.1)


def test_slices_of_exams_have_no_label_of_their_own() -> None:
    found = measured(a_pair(0.9, 0.8, label=None), a_pair(0.1, 0.8, label=None))

    assert (found.positives, found.auc.after.value) == (None, None)


def test_no_pair_is_a_row_without_figures() -> None:
    found = measured(a_pair(None, None))

    assert (found.n, found.lost, found.moves.largest, found.moves.flips.value) == (0, 0, None, None)
    assert measured().n == 0


def test_aucs_are_scikit_learns_also_with_ties() -> None:
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 2, 60), rng.integers(0, 12, 60).astype(str)
    before, after = (rng.integers(0, 8, 60) / 8 for _ in range(2))

    found = auc_pair(labels, before, after, groups, BOOTSTRAP)

    assert found.before.value == pytest.approx(roc_auc_score(labels, before))
    assert found.change.value == pytest.approx(roc_auc_score(labels, after) - roc_auc_score(labels, before))
    assert found.after.low is not None
    assert found.after.high is not None
    assert found.after.low < roc_auc_score(labels, after) < found.after.high


def test_the_bootstrap_draws_groups_and_weights_as_scikit_learn_does() -> None:
    labels = np.array([0, 1, 1, 0, 1])
    scores, groups = np.array([0.1, 0.4, 0.35, 0.4, 0.2]), np.array(["a", "a", "b", "b", "b"])
    by_hand = []
    for draw in np.random.default_rng(0).multinomial(2, [0.5, 0.5], size=200):
        weights = draw[(groups == "b").astype(int)]
        by_hand.append(roc_auc_score(labels, scores, sample_weight=weights))

    found = auc_pair(labels, scores, scores, groups, BOOTSTRAP).before

    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(by_hand, (2.5, 97.5))))


def test_a_paired_change_of_nothing_is_nothing_for_certain() -> None:
    rng = np.random.default_rng(1)
    labels, scores = np.arange(40) % 2, rng.random(40)

    change = auc_pair(labels, scores, scores, np.arange(40).astype(str), BOOTSTRAP).change

    assert (change.value, change.low, change.high) == (0.0, 0.0, 0.0)


def test_there_is_no_interval_where_a_class_is_one_group() -> None:
    labels = np.array([0, 1, 1])

    found = auc_pair(labels, np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.2, 0.4]), np.array(["a", "b", "c"]), BOOTSTRAP)

    assert (found.before.value, found.before.low) == (1.0, None)
    assert found.change.value == pytest.approx(-0.5)


def test_slices_that_are_not_chosen_again_are_counted_and_are_not_lost() -> None:
    record = Record(Path("exam"), 1, "source", "g")
    before, after = ({0: 0.9, 1: 0.8, 2: 0.7}, {1: 0.6, 3: 0.2})
    case = Case(record, "dicom", 4, a_judged(before), {NOISE: a_judged(after), SPOILED: a_judged({})})

    kept, lost = (
        row(pairs([case], one, By.SLICE, a_manifest()), one, source=ALL, by=By.SLICE, bootstrap=BOOTSTRAP)
        for one in (NOISE, SPOILED)
    )

    assert (kept.n, kept.lost, kept.not_chosen) == (1, 0, 2)
    assert (lost.n, lost.lost, lost.not_chosen) == (0, 3, 0)
    assert "| 0, 2 |" in changes_table([kept])


def a_judged(slices: dict[int, float]) -> Judged:
    return Judged(max(slices.values(), default=None), slices, frozenset(), "")
