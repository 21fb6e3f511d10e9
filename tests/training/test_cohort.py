import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from app import NOTICE
from training.studies.cohort import cohort
from training.studies.cohort_table import CohortError


def a_table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def asymptomatic() -> list[dict[str, object]]:
    """The paper's 48 confirmed patients: CT 46 positive, RT-PCR 26 (how the two overlap is ours)."""
    return [{"ct": int(i < 46), "rt_pcr": "positive" if i >= 22 else "negative"} for i in range(48)]


def test_table_4_of_the_paper(tmp_path: Path) -> None:
    tests = cohort(a_table(tmp_path / "t.csv", asymptomatic()), tmp_path / "out", reference="all")["tests"]

    ct, rt_pcr = tests["sensitivity"]["ct"], tests["sensitivity"]["rt_pcr"]
    assert (ct["hits"], rt_pcr["hits"], ct["n"], rt_pcr["n"]) == (46, 26, 48, 48)
    assert (round(ct["value"], 3), round(rt_pcr["value"], 3)) == (0.958, 0.542)
    assert (tests["paired"]["ct_only"], tests["paired"]["rt_pcr_only"]) == (22, 2)
    assert tests["paired"]["mcnemar_p"] < 1e-4
    assert tests["paired"]["difference"]["low"] > 0.2


def test_table_1_of_the_paper(tmp_path: Path) -> None:
    ages = np.round(50.4 + np.linspace(-40, 40, 1082), 1)
    rows = [{"age": ages[i], "sex": "m" if i < 584 else "f", "RT-PCR": int(i < 687)} for i in range(1082)]

    text = cohort(a_table(tmp_path / "t.csv", rows), tmp_path / "out")["description"]

    assert (text["n"], round(text["age"]["mean"], 1)) == (1082, 50.4)
    assert round(text["male"]["value"], 3) == 0.540
    assert (text["rt_pcr_positive"]["hits"], round(text["rt_pcr_positive"]["value"], 3)) == (687, 0.635)
    assert text["male"]["low"] < 0.54 < text["male"]["high"]
    assert sum(text["age"]["bands"].values()) == 1082


def test_ages_by_hand(tmp_path: Path) -> None:
    rows = [{"ct": 1, "age": age} for age in (10, 17.5, 18, 80, "")]
    ages = cohort(a_table(tmp_path / "t.csv", rows), tmp_path / "out")["description"]["age"]

    assert (ages["n"], ages["median"], ages["range"]) == (4, 17.75, [10, 80])
    assert ages["mean"] == pytest.approx(31.375)
    assert ages["sd"] == pytest.approx(np.std([10, 17.5, 18, 80], ddof=1))
    assert ages["bands"] == {"0 to 17": 2, "18 to 39": 1, "40 to 59": 0, "60 to 79": 0, "80 and older": 1}


def test_a_probability_and_a_threshold_stand_in_for_ct(tmp_path: Path) -> None:
    rows = [{"probability": p, "reference": r} for p, r in ((0.9, 1), (0.5, 1), (0.4, 1), (0.2, 0), ("", 1))]
    tests = cohort(a_table(tmp_path / "t.csv", rows), tmp_path / "out", threshold=0.5)["tests"]

    assert (tests["sensitivity"]["ct"]["hits"], tests["sensitivity"]["ct"]["n"]) == (2, 3)
    assert (tests["specificity"]["ct"]["hits"], tests["specificity"]["ct"]["n"]) == (1, 1)
    assert tests["paired"] is None


def test_without_a_reference_there_is_no_sensitivity_but_a_comparison(tmp_path: Path) -> None:
    tests = cohort(a_table(tmp_path / "t.csv", asymptomatic()), tmp_path / "out")["tests"]

    assert tests["sensitivity"]["ct"]["value"] is None
    assert (tests["paired"]["n"], tests["paired_on"]) == (48, "all whose truth is not known")


def test_where_all_are_known_to_be_free_the_tests_are_compared_on_them(tmp_path: Path) -> None:
    rows = [{"ct": int(k == 0), "rt_pcr": 0, "reference": 0} for k in range(4)]

    tests = cohort(a_table(tmp_path / "t.csv", rows), tmp_path / "out")["tests"]

    assert (tests["paired"]["n"], tests["paired"]["ct_only"], tests["paired_on"]) == (4, 1, "all known to be free")
    assert "On the 4 patients who had both (all known to be free)" in (tmp_path / "out/cohort.md").read_text()


def test_where_no_confirmed_patient_had_both_tests_it_is_said_of_whom(tmp_path: Path) -> None:
    rows = [{"ct": 1, "rt_pcr": "", "reference": 1}, *({"ct": 1, "rt_pcr": 1, "reference": ""} for _ in range(2))]

    cohort(a_table(tmp_path / "t.csv", rows), tmp_path / "out")

    assert "Of those compared (confirmed) nobody had both tests" in (tmp_path / "out/cohort.md").read_text()


def test_what_is_written_carries_the_notice_and_no_patient(tmp_path: Path) -> None:
    rows = [row | {"patient": f"CANARY{i}", "age": 41 + i % 3, "sex": "f"} for i, row in enumerate(asymptomatic())]
    cohort(a_table(tmp_path / "t.csv", rows), tmp_path / "out", reference="all")

    for name in ("cohort.json", "cohort.md"):
        text = (tmp_path / "out" / name).read_text()
        assert NOTICE in text
        assert "CANARY" not in text
    assert "46 of 48: 0.958 (0.857 to 0.995)" in (tmp_path / "out/cohort.md").read_text()
    assert json.loads((tmp_path / "out/cohort.json").read_text())["reference"] == "all"


@pytest.mark.parametrize(
    ("row", "options", "why"),
    [
        ({"ct": "maybe-CANARY"}, {}, "Line 2: ct is none of"),
        ({"ct": 1, "age": "CANARY"}, {}, "Line 2: age is not a number from 0 to 129"),
        ({"ct": 1, "age": 130}, {}, "Line 2: age"),
        ({"probability": 1.5}, {"threshold": 0.5}, "Line 2: probability"),
        ({"probability": "inf"}, {"threshold": 0.5}, "Line 2: probability"),
        ({"probability": 0.5}, {}, "needs a threshold"),
        ({"ct": 1}, {"threshold": 0.5}, "needs the column probability"),
        ({"age": 50}, {}, "neither the column ct nor rt_pcr"),
        ({"ct": 1, "reference": 0}, {"reference": "all"}, "not all count as confirmed"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_its_line(
    tmp_path: Path, row: dict[str, object], options: dict[str, object], why: str
) -> None:
    with pytest.raises(CohortError, match=why) as refusal:
        cohort(a_table(tmp_path / "t.csv", [row]), tmp_path / "out", **options)  # type: ignore[arg-type]

    assert "CANARY" not in refusal.value.message


def test_a_patient_of_several_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="one line a patient"):
        cohort(a_table(tmp_path / "t.csv", [{"patient": "a", "ct": 1}, {"patient": "a", "ct": 0}]), tmp_path / "out")


def test_patients_without_a_name_are_several(tmp_path: Path) -> None:
    rows = [{"patient": "", "ct": 1, "rt_pcr": 1}, {"patient": "", "ct": 0, "rt_pcr": 1}]

    tests = cohort(a_table(tmp_path / "t.csv", rows), tmp_path / "out")["tests"]

    assert tests["paired"]["n"] == 2


def test_empty_lines_of_a_spreadsheet_are_no_patients(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ct,rt_pcr,age\n1,0,50\n,,\n , ,\n0,1,60\n")

    assert cohort(tmp_path / "t.csv", tmp_path / "out")["description"]["n"] == 2


@pytest.mark.parametrize(("yes", "no"), [("1.0", "0.0"), ("True", "False"), ("yes", "No")])
def test_answers_are_read_as_other_programs_write_them(tmp_path: Path, yes: str, no: str) -> None:
    found = cohort(
        a_table(tmp_path / "t.csv", [{"ct": yes, "rt_pcr": no}, {"ct": "", "rt_pcr": yes}]), tmp_path / "out"
    )["description"]

    assert (found["ct_positive"]["hits"], found["ct_positive"]["n"]) == (1, 1)
    assert (found["rt_pcr_positive"]["hits"], found["rt_pcr_positive"]["n"]) == (1, 2)


def test_semicolons_between_columns_are_told_without_what_stands_there(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("CANARY;ct;rt_pcr\na;1;0\n")

    with pytest.raises(CohortError, match="semicolons") as refusal:
        cohort(tmp_path / "t.csv", tmp_path / "out")

    assert "CANARY" not in refusal.value.message


@pytest.mark.parametrize("content", [b"ct\n", b"\xff\xfe\x00", b""])
def test_a_table_of_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)

    with pytest.raises(CohortError):
        cohort(tmp_path / "t.csv", tmp_path / "out")


def test_blanks_around_the_names_of_columns_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ct , rt_pcr, age\n1, 0, 50\n")

    found = cohort(tmp_path / "t.csv", tmp_path / "out")

    assert found["tests"]["paired"]["ct_only"] == found["description"]["age"]["n"] == 1


@pytest.mark.parametrize("name", ["patient_id", "ID", "patient"])
def test_columns_go_by_other_names_and_those_not_used_are_told(tmp_path: Path, name: str) -> None:
    rows = [{name: "a", "ct": 1, "RT-PCR result": 1, "Fever": 1}, {name: "b", "ct": 0, "RT-PCR result": 1, "Fever": 0}]

    found = cohort(a_table(tmp_path / "t.csv", rows), tmp_path / "out")

    assert found["description"]["rt_pcr_positive"]["hits"] == 2
    assert found["unused_columns"] == ["Fever"]
    assert "Columns not used: Fever." in (tmp_path / "out/cohort.md").read_text()
    with pytest.raises(CohortError, match="one line a patient"):
        cohort(a_table(tmp_path / "t.csv", [rows[0], rows[0]]), tmp_path / "out")
