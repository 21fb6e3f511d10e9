"""Single elements of a DICOM data set, read without trust: what is missing or no such value is None or empty."""

import math

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from app.ct.reading.files import Damaged
from app.ct.words import sentence

# What is read here is some numbers, names or words; a list of a million values is made to exhaust memory.
MAX_VALUE_BYTES = 2**12


def check_length(dataset: Dataset, keyword: str) -> None:
    """Refuse an element that is absurdly long, before its values are made.

    Raises:
        Damaged.
    """
    element: object = dataset.get_item(keyword) if keyword in dataset else None
    if isinstance(element, RawDataElement) and len(element.value or b"") > MAX_VALUE_BYTES:
        raise Damaged(sentence("damaged, one of its values is absurdly long"))


def _values(dataset: Dataset, keyword: str) -> list[object]:
    """The values of an element as a list, empty where it is missing or cannot be parsed.

    Raises:
        Damaged: it is absurdly long.
    """
    check_length(dataset, keyword)
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


def is_filled(dataset: Dataset, keyword: str) -> bool:
    """Whether an element is there and not empty; what is in it is not parsed."""
    element: object = dataset.get_item(keyword) if keyword in dataset else None
    return bool(getattr(element, "value", None))
