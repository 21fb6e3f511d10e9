"""Rows that a spreadsheet can open."""

import csv
from io import StringIO

import pytest

from app.commands.predict import Refusal
from app.commands.table import COLUMNS, header, row
from app.ct.errors import NoLung
from tests.fakes import FakeClassifier


def read_back(name: str) -> dict[str, str]:
    table = header() + row(name, Refusal.of(NoLung.on(3)), FakeClassifier())
    return next(csv.DictReader(StringIO(table, newline="")))


@pytest.mark.parametrize("before", ["", "\t", "\r", " ", "ok;", "ok; ", "ok\n"])
@pytest.mark.parametrize("formula", ["=1+1", "+1", "-o", "@SUM(A1)", "＝1", "-2+3+cmd|' /C calc'!A0"])
def test_no_part_of_a_name_is_taken_for_a_formula(before, formula):
    assert read_back(before + formula)["exam"] == f"{before}'{formula}"


@pytest.mark.parametrize("name", ["exam", 'a,b"c', "患者", "a-b=c", "7", "a; b"])
def test_other_names_stay_as_they_are(name):
    assert read_back(name)["exam"] == name


def test_every_column_is_there_also_of_a_refused_exam():
    assert tuple(read_back("exam")) == COLUMNS
