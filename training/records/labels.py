"""What data sets call the two classes."""

_COVID = frozenset(
    {"covid", "covid19", "covidpositive", "covid19positive", "positive", "sarscov2", "ncov", "ctcovid", "yescovid"}
)
_NON_COVID = frozenset(
    {"noncovid", "noncovid19", "nocovid", "notcovid", "noncovid19cases", "covidnegative", "covid19negative", "negative"}
    | {"ctnoncovid", "normal", "healthy", "cap", "pneumonia", "bacterialpneumonia", "viralpneumonia", "otherdisease"}
)

_DIGITS = {"0": 0, "0.0": 0, "1": 1, "1.0": 1}
"""Tables that held an empty field give whole numbers back with a point."""


def label_of(text: str) -> int | None:
    """1 or 0 for the name of a class in one of its spellings; None for any other word."""
    name = "".join(c for c in text.lower() if c.isalnum())
    return 1 if name in _COVID else 0 if name in _NON_COVID else None


def label_given(text: str) -> int | None:
    """1 or 0 for a label in a table, a digit or a class; None for any other word."""
    return _DIGITS.get(text, label_of(text))
