import numpy as np

from app.ct.scores import SliceScores


def a_scores(share: np.ndarray, *indices: int) -> SliceScores:
    count = len(share)
    return SliceScores(
        indices or tuple(range(count)),
        logits=share.sum(axis=(1, 2)).astype(np.float32),
        share=share.astype(np.float32),
        evidence=np.zeros_like(share),
        boxes=np.zeros((count, 4), np.int32),
        evidence_in_lung=np.ones(count, np.float32),
        lung_found=np.ones(count, bool),
        distance=np.ones(count, np.float32),
    )


def a_spot(logit: float) -> np.ndarray:
    share = np.zeros((1, 10, 10))
    share[0, 4, 5] = logit
    return share


def test_heat_lies_where_a_slice_argued_for_covid_19():
    heat = a_scores(a_spot(3.0)).heat

    assert heat[0, 4, 5] == 1
    assert heat.sum() == 1


def test_what_argues_against_has_no_heat():
    assert a_scores(a_spot(-3.0)).heat.max() == 0


def test_the_map_of_a_slice_that_hardly_argues_is_dim():
    assert a_scores(a_spot(0.25)).heat.max() <= 0.1


def test_heat_does_not_depend_on_the_other_slices():
    alone = a_scores(a_spot(0.5)).heat[0]
    among = a_scores(np.concatenate([a_spot(0.5), a_spot(9.0)])).heat[0]

    assert (alone == among).all()


def test_parts_are_joined_in_slice_order():
    joined = SliceScores.joined([a_scores(a_spot(2.0), 7), a_scores(a_spot(1.0), 3)])

    assert joined.indices == (3, 7)
    assert joined.logits.tolist() == [1.0, 2.0]
