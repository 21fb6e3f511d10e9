"""The table of a cohort: one line a patient, parsed and checked once."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.ct.errors import CovidCTError
from training.records.tables import UNKNOWN, filled_rows, known

_POSITIVE = frozenset({"1", "1.0", "positive", "pos", "+", "true", "yes"})
_NEGATIVE = frozenset({"0", "0.0", "negative", "neg", "-", "false", "no"})
"""Columns with gaps are numbers with a point in pandas."""
_MALE, _FEMALE = frozenset({"m", "male"}), frozenset({"f", "female"})
_OLDEST = 129
_ALIASES = {"patient_id": "patient", "id": "patient", "rt_pcr_result": "rt_pcr"}
Reference = Literal["column", "all"]


class CohortError(CovidCTError):
    """A cohort table that cannot be used. Rows are named by their line number, never by a patient."""

    code = "bad-cohort"
    title = "The cohort table cannot be used"
    advice = (
        "Give a CSV of one line a patient with the columns ct and rt_pcr (0/1, no/yes, false/true or negative/positive, "
        "empty where not done), "
        "and, if known, reference, age (years) and sex (m/f). A column probability with --threshold stands in for ct."
    )


@dataclass(frozen=True)
class Patient:
    """One line of the table; None where it does not say.

    Attributes:
        ct: whether CT is positive.
        rt_pcr: whether RT-PCR is.
        reference: whether the patient has COVID-19.
        age_years: at the time.
        male: or female.
    """

    ct: bool | None = None
    rt_pcr: bool | None = None
    reference: bool | None = None
    age_years: float | None = None
    male: bool | None = None


def read_cohort(path: Path, *, threshold: float | None, reference: Reference) -> tuple[Patient, ...]:
    """Read a table.

    Args:
        path: CSV with the columns ct and rt_pcr, or one of them; reference, age and sex where known.
        threshold: on the column ``probability``, from which on CT counts as positive; None: the column ``ct``.
        reference: where it is known who has COVID-19: the column of that name, or all, a cohort of confirmed patients.

    Raises:
        CohortError: the table cannot be used.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = _columns(rows.fieldnames or ())
            lines = [(n, {plain: row[name.strip()] for plain, name in columns.items()}) for n, row in filled_rows(rows)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CohortError(f"{path.name} cannot be read as CSV.") from error
    _check_columns(columns, lines, threshold, reference)
    return tuple(_patient(_Line(number, row), threshold, reference) for number, row in lines)


def unused_columns(path: Path, *, threshold: float | None) -> list[str]:
    """The columns of a table that ``read_cohort`` reads, and makes nothing of, as they are written there."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = csv.DictReader(file).fieldnames or ()
    used = {"patient", "ct" if threshold is None else "probability", "rt_pcr", "reference", "age", "sex"}
    taken = {name for plain, name in _columns(names).items() if plain in used}
    return [name.strip() for name in names if name.strip() and name not in taken]


def _columns(names: Sequence[str]) -> dict[str, str]:
    """What a table calls each column; another name for one counts where the column itself is not there."""
    columns = {_plain(name): name for name in names}
    for other, name in _ALIASES.items():
        if other in columns:
            columns.setdefault(name, columns[other])
    return columns


def _plain(name: str) -> str:
    """RT-PCR, rt pcr and rt_pcr are one."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _check_columns(
    columns: dict[str, str], lines: Sequence[tuple[int, dict[str, str]]], threshold: float | None, reference: Reference
) -> None:
    if any(";" in name for name in columns):
        # Not named: in a table without a header it is the first patient's line.
        raise CohortError("Its first line holds semicolons: write the table with commas between the columns.")
    if not lines:
        raise CohortError("It has no line.")
    if threshold is not None and "probability" not in columns:
        raise CohortError("A threshold needs the column probability.")
    if threshold is None and "ct" not in columns and "probability" in columns:
        raise CohortError("The column probability needs a threshold.")
    if threshold is None and not {"ct", "rt_pcr"} & columns.keys():
        raise CohortError("It has neither the column ct nor rt_pcr.")
    if reference == "all" and "reference" in columns:
        raise CohortError("It has a column reference, so not all count as confirmed.")
    named = [name for _, row in lines if (name := known(row.get("patient", "").strip()))]
    if len(set(named)) < len(named):
        raise CohortError("A patient has several lines: give one line a patient.")


@dataclass(frozen=True)
class _Line:
    number: int
    row: dict[str, str]

    def either(self, column: str, true: frozenset[str], false: frozenset[str]) -> bool | None:
        text = self.row.get(column, "").strip().lower()
        if text in UNKNOWN:
            return None
        if text not in true | false:
            raise CohortError(f"Line {self.number}: {column} is none of {', '.join(sorted(true | false))}.")
        return text in true

    def number_within(self, column: str, most: float) -> float | None:
        text = self.row.get(column, "").strip().lower()
        if text in UNKNOWN:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        # "not <=" so that what is not a number fails too.
        if not 0 <= value <= most:
            raise CohortError(f"Line {self.number}: {column} is not a number from 0 to {most:g}.")
        return value


def _patient(line: _Line, threshold: float | None, reference: Reference) -> Patient:
    if threshold is None:
        ct = line.either("ct", _POSITIVE, _NEGATIVE)
    else:
        probability = line.number_within("probability", 1)
        ct = None if probability is None else probability >= threshold
    return Patient(
        ct=ct,
        rt_pcr=line.either("rt_pcr", _POSITIVE, _NEGATIVE),
        reference=True if reference == "all" else line.either("reference", _POSITIVE, _NEGATIVE),
        age_years=line.number_within("age", _OLDEST),
        male=line.either("sex", _MALE, _FEMALE),
    )
