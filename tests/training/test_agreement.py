import numpy as np
import pytest

from app.ct.manifest import Decision
from app.ct.precision import Agreement
from app.ct.scores import SliceScores
from tests.training.runs import an_agreement
from training.releasing.agreement import Cases, Rule, Speed, agreement

SPEED = Speed(ms_per_slice=10.0, ratio=2.0)
DECISION = Decision(threshold=0.5, band=(0.3, 0.7))


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def some_scores(*probabilities: float, **changes: np.ndarray) -> SliceScores:
    count = len(probabilities)
    maps = np.tile(np.arange(16, dtype=np.float32).reshape(4, 4), (count, 1, 1))
    arrays = {
        "logits": np.array([logit(p) for p in probabilities]),
        "share": maps,
        "evidence": maps,
        "boxes": np.zeros((count, 4), np.int32),
        "evidence_in_lung": np.ones(count),
        "lung_found": np.ones(count, dtype=bool),
        "distance": np.zeros(count),
    }
    return SliceScores(tuple(range(count)), **(arrays | changes))


def compared(before: SliceScores, after: SliceScores, labels: list[int] | None = None) -> Agreement:
    given = labels or [k % 2 for k in range(len(before.logits))]
    groups = np.array([f"g{k}" for k in range(len(given))])
    return agreement(before, after, Cases(np.array(given), groups), decision=DECISION, speed=SPEED, draws=50)


def test_changes_of_probability_are_absolute() -> None:
    found = compared(some_scores(0.5, 0.5, 0.5), some_scores(0.5, 0.4, 0.7))

    assert (found.largest_change, found.median_change) == (pytest.approx(0.2), pytest.approx(0.1))


def test_a_verdict_past_the_band_is_reversed_and_one_into_it_is_counted_apart() -> None:
    found = compared(some_scores(0.29, 0.71, 0.5, 0.9), some_scores(0.71, 0.69, 0.4, 0.8))

    assert (found.opposite, found.into_or_out_of_band) == (1, 1)


def test_the_same_answers_lose_nothing() -> None:
    found = compared(same := some_scores(0.2, 0.8, 0.6, 0.4), same)

    assert (found.auc_loss, found.auc_loss_low, found.auc_loss_high) == (0, 0, 0)
    assert found.share.worst_decile == pytest.approx(1)
    assert Rule().faults(found) == ()


def test_a_pair_in_the_wrong_order_is_a_loss_of_auc() -> None:
    found = compared(some_scores(0.2, 0.6, 0.4, 0.8), some_scores(0.7, 0.6, 0.4, 0.8))

    assert (found.reference_auc, found.auc, found.auc_loss) == (1.0, 0.75, 0.25)


def test_one_class_has_no_auc_and_so_no_permission() -> None:
    found = compared(same := some_scores(0.2, 0.8), same, labels=[1, 1])

    assert (found.auc, found.auc_loss, found.auc_loss_low) == (None, None, None)
    assert Rule().faults(found) == ("loss of AUC", "significance of the loss of AUC")


def test_maps_of_one_value_do_not_correlate() -> None:
    flat, given = np.zeros((4, 4, 4), np.float32), (0.2, 0.8, 0.3, 0.7)

    found = compared(some_scores(*given), some_scores(*given, share=flat))

    assert found.share.median == 0
    assert Rule().faults(found) == ("heat map",)


def test_maps_that_are_lost_on_some_slices_speak_against_a_precision() -> None:
    given = (0.2, 0.8, 0.3, 0.7)
    lost = some_scores(*given).share.copy()
    lost[0] = 0

    assert compared(some_scores(*given), some_scores(*given, share=lost)).share.worst_decile == pytest.approx(0.3)


def test_maps_that_are_of_one_value_in_both_say_nothing() -> None:
    flat = some_scores(0.2, 0.8, 0.3, 0.7, share=np.zeros((4, 4, 4), np.float32))

    assert compared(flat, flat).share.median is None


def test_the_worst_decile_of_maps_is_told_beside_the_median() -> None:
    turned = some_scores(*[0.5] * 10).evidence.copy()
    turned[:2] = turned[:2, ::-1]

    found = compared(some_scores(*[0.5] * 10), some_scores(*[0.5] * 10, evidence=turned))

    assert found.evidence.median == pytest.approx(1)
    assert (found.evidence.worst_decile or 0) < 0


def test_slices_on_the_other_side_of_what_is_like_training_are_counted() -> None:
    far = np.array([0.9, 1.1, 1.2])

    found = compared(some_scores(0.5, 0.5, 0.5, distance=far), some_scores(0.5, 0.5, 0.5, distance=far[::-1].copy()))

    assert found.gate_changes == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"opposite": 1}, "verdicts reversed"),
        ({"largest_change": 0.0201}, "change of probability"),
        ({"share": {"median": 1.0, "worst_decile": 0.979}}, "heat map"),
        ({"evidence": {"median": 1.0, "worst_decile": 0.979}}, "evidence map"),
        ({"auc_loss": 0.0051}, "loss of AUC"),
        ({"auc_loss": 0.001, "auc_loss_low": 0.0001}, "significance of the loss of AUC"),
        ({"gate_changes": 4}, "likeness to training"),
    ],
)
def test_each_line_of_the_rule_forbids(change: dict[str, object], fault: str) -> None:
    assert Rule().faults(an_agreement()) == ()
    assert Rule().faults(an_agreement(**change)) == (fault,)
