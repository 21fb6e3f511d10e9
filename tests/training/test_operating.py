import json
from pathlib import Path

import numpy as np
import pytest

from training.measuring.operating import (
    OperatingPoint,
    ThresholdError,
    taken_over,
    threshold_at_specificity,
    youden_threshold,
)

MODEL = {"weights_sha256": "00", "judgement_sha256": "11"}


def a_metrics_file(folder: Path, **changes: object) -> Path:
    report = {"model": MODEL, "by": "slice", "thresholds": {"youden": 0.31, "specificity_0.90": 0.62}}
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(report | changes))
    return folder / "metrics.json"


def test_youden_cuts_half_way_between_the_classes() -> None:
    assert youden_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.5, 0.9])) == pytest.approx(0.4)


def test_a_threshold_at_a_specificity_reaches_it_and_is_the_lowest() -> None:
    labels, scores = np.array([0] * 10 + [1] * 2), np.r_[np.linspace(0, 0.9, 10), 0.55, 0.95]

    threshold = threshold_at_specificity(labels, scores, 0.8)

    assert threshold == pytest.approx(0.75)
    assert (scores[:10] < threshold).mean() >= 0.8


def test_a_threshold_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="both classes"):
        youden_threshold(np.array([1, 1]), np.array([0.1, 0.2]))


@pytest.mark.parametrize("named", ["file", "folder"])
def test_a_threshold_is_taken_over_by_its_name(tmp_path: Path, named: str) -> None:
    path = a_metrics_file(tmp_path / "val")

    point = taken_over(path if named == "file" else path.parent, "specificity_0.90", model=MODEL, by="slice")

    assert point == OperatingPoint(0.62, "specificity_0.90 on validation, from val")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": MODEL | {"weights_sha256": "99"}}, "other weights"),
        ({"model": MODEL | {"judgement_sha256": "99"}}, "another calibration"),
        ({"by": "patient"}, "by patient"),
        ({"thresholds": None}, "part validation"),
        ({"thresholds": {"specificity_0.90": 0.5}}, "not youden"),
        ({"model": None}, "not one that `evaluate` writes"),
    ],
)
def test_a_threshold_that_was_not_chosen_for_this_is_refused(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(ThresholdError, match=why):
        taken_over(a_metrics_file(tmp_path / "val", **changes), "youden", model=MODEL, by="slice")


def test_a_threshold_from_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ThresholdError, match="not there"):
        taken_over(tmp_path / "nothing.json", "youden", model=MODEL, by="slice")


def test_a_threshold_is_a_probability() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        OperatingPoint(1.5, "by hand")
