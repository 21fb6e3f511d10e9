"""Single elements of a DICOM data set, read without trust: what is missing or no such value is None or empty."""

import math

from pydicom.dataset import Dataset


def _values(dataset: Dataset, keyword: str) -> list[object]:
    """The values of an element as a list, empty where it is missing or cannot be parsed."""
    try:
        value = dataset.get(keyword)
    except (TypeError, ValueError, ArithmeticError):
        return []
    if value is None or value == "":
        return []
    return list(value) if not isinstance(value, str) and hasattr(value, "__iter__") else [value]


def text_of(dataset: Dataset, keyword: str) -> str:
    """Its values with backslashes between them, as they are stored; empty where there is none."""
    return "\\".join(str(v) for v in _values(dataset, keyword)).strip(" \0")


def numbers_of(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Exactly ``count`` finite numbers, or None."""
    try:
        numbers = tuple(float(str(v)) for v in _values(dataset, keyword))
    except ValueError:
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """Exactly one finite number, or None."""
    numbers = numbers_of(dataset, keyword, 1)
    return numbers[0] if numbers else None


def whole_of(dataset: Dataset, keyword: str) -> int | None:
    """Exactly one number without what follows its point, or None."""
    number = number_of(dataset, keyword)
    return None if number is None else int(number)
