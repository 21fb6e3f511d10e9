"""Every oddity is read, or refused with its own code, and README says which."""

import re
from pathlib import Path

import pytest

from tests.proofs.oddities import BEGIN, END, WHAT, table
from tests.proofs.served import PRECISIONS_DIFFER_BY

PROBABILITY = re.compile(r"(?<=`, )[01]\.\d\d(?=\.)")
README = Path(__file__).parents[2] / "README.md"


def test_readme_says_what_the_service_answers_to_every_oddity() -> None:
    text = README.read_text(encoding="utf-8")
    if BEGIN not in text:
        pytest.skip("README holds no table of oddities yet")

    told, found = text.split(BEGIN, 1)[1].split(END, 1)[0].strip(), table()

    assert PROBABILITY.sub("", told) == PROBABILITY.sub("", found)
    assert probabilities(told) == pytest.approx(probabilities(found), abs=PRECISIONS_DIFFER_BY)


def probabilities(lines: str) -> list[float]:
    found = [float(number) for number in PROBABILITY.findall(lines)]
    assert len(found) == lines.count("| read: `")
    return found


def test_the_table_has_a_line_for_each_of_them() -> None:
    lines = table().splitlines()[2:]

    assert [line.split("`")[1] for line in lines] == sorted(WHAT, key=str.casefold)
    assert all(("| read: `" in line) != ("| refused, `" in line) for line in lines)
