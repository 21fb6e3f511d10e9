"""Text in tables that others open in a spreadsheet."""

import re

# What a spreadsheet takes for the start of a formula (OWASP, CSV injection), the full-width forms too; also after what one
# that splits rows at semicolons or tabs, or at the line ends of a cell, begins the next cell with.
_FORMULA = re.compile(r"(^|[;\t\r\n])(\s*)([=+\-@＝＋－＠])")


def as_text(cell: str) -> str:
    """The text of a cell such that no spreadsheet takes it, or a part of it, for a formula."""
    return _FORMULA.sub(r"\1\2'\3", cell)


def without_formulas(name: str) -> str:
    """The name with ``_`` for every sign that ``as_text`` would mark, so that it stands in a table as it is."""
    return _FORMULA.sub(r"\1\2_", name)
