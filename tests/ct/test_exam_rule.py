"""Each kind of exam rule against cases made by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.ct.exam_rule import Decision, ExamRule, TopShareMean

BLANK = {"decision": Decision(threshold=0.5, band=(0.4, 0.6)), "rests_on": "nothing"}
ANY: TypeAdapter[ExamRule] = TypeAdapter(ExamRule)
OLD = {
    "name": "top-share-mean",
    "top_share": 0.3,
    "slope": 1.0,
    "intercept": 0.0,
    "decision": {"threshold": 0.5, "band": [0.289, 0.711]},
    "rests_on": "Chosen on fifty patients.",
}


def a_rule(name: str, **settings: float) -> ExamRule:
    return ANY.validate_python({"name": name, **settings, **BLANK})


STABLE = [
    a_rule("top-share-mean", top_share=1.0),
    a_rule("mean-probability"),
    a_rule("noisy-or", of_slices=4),
    a_rule("log-mean-exp", sharpness=2),
    a_rule("quantile", at=1.0),
]


def test_a_rule_written_before_there_were_others_reads_the_same_and_is_written_the_same():
    rule = ANY.validate_json(json.dumps(OLD))

    assert isinstance(rule, TopShareMean)
    assert rule.pooled(np.array([5.0, 3.0, 1.0, -9.0, -9.0, -9.0])) == 4.0
    assert json.loads(rule.model_dump_json()) == OLD


def test_at_least_so_many_slices_count_where_there_are_so_many():
    rule = a_rule("top-share-mean", top_share=0.1, least_slices=3)

    assert rule.pooled(np.array([6.0, 3.0, 0.0, -9.0])) == 3.0
    assert rule.pooled(np.array([6.0, 2.0])) == 4.0


def test_the_mean_probability_caps_what_a_slice_can_say():
    rule = a_rule("mean-probability")

    assert rule.pooled(np.array([0.0, 0.0])) == pytest.approx(0.0)
    assert rule.pooled(np.array([500.0, -500.0])) == pytest.approx(0.0)


def test_noisy_or_is_the_chance_that_any_slice_is_right():
    probability = 1 / (1 + math.exp(-a_rule("noisy-or").pooled(np.zeros(3))))

    assert probability == pytest.approx(1 - 0.5**3)


def test_noisy_or_of_average_slices_does_not_count_them():
    rule = a_rule("noisy-or", of_slices=3)

    assert rule.pooled(np.zeros(100)) == pytest.approx(rule.pooled(np.zeros(3)))
    assert a_rule("noisy-or").pooled(np.zeros(100)) > a_rule("noisy-or").pooled(np.zeros(3))


def test_log_mean_exp_lies_between_the_mean_and_the_largest():
    logits = np.array([-2.0, 0.0, 4.0])

    blunt, sharp = (a_rule("log-mean-exp", sharpness=k).pooled(logits) for k in (1e-4, 1e3))

    assert blunt == pytest.approx(logits.mean(), abs=0.001)
    assert sharp == pytest.approx(4.0, abs=0.01)


def test_a_quantile_is_what_a_share_of_slices_stays_below():
    assert a_rule("quantile", at=0.75).pooled(np.array([0.0, 1.0, 2.0, 3.0, 4.0])) == 3.0
    assert a_rule("quantile", at=1.0).pooled(np.array([0.0, 9.0])) == 9.0


@pytest.mark.parametrize("rule", STABLE, ids=lambda r: r.name)
@given(logits=st.lists(st.floats(-20, 20), min_size=1, max_size=20))
def test_every_slice_seen_twice_changes_nothing(rule: ExamRule, logits: list[float]):
    assert rule.pooled(np.array(logits * 2)) == pytest.approx(rule.pooled(np.array(logits)), abs=1e-6)


@pytest.mark.parametrize("rule", [*STABLE, a_rule("noisy-or")], ids=lambda r: r.name)
@given(logits=st.lists(st.floats(-30, 30), min_size=1, max_size=40))
def test_no_stronger_slice_lowers_what_is_pooled_and_it_is_finite(rule: ExamRule, logits: list[float]):
    before, after = rule.pooled(np.array(logits)), rule.pooled(np.array([logits[0] + 1.0, *logits[1:]]))

    assert math.isfinite(before)
    assert after >= before - 1e-9


@pytest.mark.parametrize("rule", [*STABLE, a_rule("noisy-or")], ids=lambda r: r.name)
def test_a_rule_says_in_a_sentence_what_it_does(rule: ExamRule):
    assert rule.in_words[0].isupper()
    assert rule.in_words.endswith(".")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "guess"},
        {"name": "top-share-mean"},
        {"name": "log-mean-exp", "sharpness": 0},
        {"name": "mean-probability", "top_share": 0.3},
    ],
)
def test_a_rule_that_is_none_is_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        ANY.validate_python(wrong | BLANK)
