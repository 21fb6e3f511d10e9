"""The soak's own frame."""

import json

import pytest

from tests.soak import __main__ as soak
from tests.soak.parts import names, part
from tests.soak.rows import Length, Row, as_json, as_markdown


@pytest.mark.parametrize("name", names())
def test_the_short_form_of_every_part_meets_its_goals(name):
    rows = list(part(name)(Length(short=True)))

    assert rows
    assert [row for row in rows if not row.met and not row.of_machine] == []


def test_a_part_takes_the_time_asked_for_else_its_own():
    assert Length(minutes=2).seconds(whole=600, short=5) == 120
    assert Length().seconds(whole=600, short=5) == 600
    assert Length(short=True).seconds(whole=600, short=5) == 5


def test_rows_are_told_to_people_and_to_programs():
    rows = [Row("kill -9", "1 lost", "0 lost", False)]

    assert "| kill -9 | 1 lost | 0 lost | **no** |" in as_markdown(rows)
    told = {"test": "kill -9", "seen": "1 lost", "goal": "0 lost", "met": False, "of_machine": False}
    assert json.loads(as_json(rows)) == [told]


@pytest.mark.parametrize(("met", "code"), [(True, 0), (False, 1)])
def test_a_goal_missed_is_a_failure(met, code, monkeypatch, capsys):
    monkeypatch.setattr(soak, "names", lambda: ["one"])
    monkeypatch.setattr(soak, "part", lambda _: lambda _: [Row("a", "b", "c", met)])

    assert soak.main(["--short"]) == code
    assert "| a | b | c |" in capsys.readouterr().out
