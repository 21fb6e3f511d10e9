"""Sentences a recipe says of its model. A figure in them is a place to be filled from the run's files, never a digit.

``"size, gray level, border and sharpness alone reach AUC {shortcut[drenet][train]:.2f}"``: what stands between the braces is
looked up when the card is written. Digits are allowed in names only, behind a letter: conv5, ResNet50, COVID-19.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from string import Formatter

from training.run import RunError

NOT_MEASURED = "(not measured)"
_PLACE = re.compile(r"\{[^{}]*\}")
_BARE = re.compile(r"(?<![A-Za-z\d])(?<![A-Za-z]-)\d[\d.,%]*")


class _Filling(Formatter):
    """Figures with three digits unless the sentence says otherwise; what was not measured is said to be so."""

    def get_field(self, field_name: str, args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[object, str]:
        try:
            found, _ = super().get_field(field_name, args, kwargs)
        except (KeyError, TypeError, AttributeError, IndexError):
            found = None
        return found, field_name

    def format_field(self, value: object, format_spec: str) -> str:
        if value is None:
            return NOT_MEASURED
        return format(value, format_spec or (".3f" if isinstance(value, float) else ""))


def bare_numbers(text: str) -> list[str]:
    """Digits of the sentence that are neither in a name nor in a place to be filled."""
    return [found.rstrip(".,") for found in _BARE.findall(_PLACE.sub("", text))]


def check_stated(texts: Iterable[str]) -> None:
    """Refuse sentences that state a number of their own.

    Raises:
        RunError: one does, or its places cannot be read.
    """
    for text in texts:
        if found := bare_numbers(text):
            raise RunError(
                f"A sentence of the recipe states {', '.join(found)}, which no file of the run holds: take it from the"
                f" run's figures, as {{shortcut[...]}}, or leave it out: {text}"
            )
        filled(text, {})


def filled(text: str, figures: Mapping[str, object]) -> str:
    """The sentence with its figures.

    Args:
        text: with places such as ``{evaluations[validation][auc]:.2f}``.
        figures: nested dictionaries of the run's figures, by name.

    Raises:
        RunError: a place cannot be read.
    """
    try:
        return _Filling().vformat(text, (), figures)
    except ValueError as error:
        raise RunError(f"A place in a sentence of the recipe cannot be filled: {text}") from error
