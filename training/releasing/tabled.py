"""Any JSON that a command of this package wrote, as tables for the card: nothing is picked by hand, nothing is reckoned."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from training.markdown import number, table, with_interval
from training.run import Figure

MOST_ROWS = 60
"""A longer list belongs into its file; the card says so."""
_INTERVAL = frozenset({"value", "low", "high"})
_LEFT_OUT = frozenset({"notice", "model", "bootstrap", "refusals"})
"""Said elsewhere in the card."""


def as_tables(document: Mapping[str, JsonValue], *, title: str) -> str:
    """The document as Markdown, a table for each part that holds figures.

    Args:
        document: as read.
        title: of the whole, above the first table.
    """
    return "\n".join(f"**{name}**\n\n{text}" for name, text in _parts(document, title))


def _parts(document: Mapping[str, JsonValue], title: str) -> Iterator[tuple[str, str]]:
    shown = {k: v for k, v in document.items() if k not in _LEFT_OUT}
    facts = {k: v for k, v in shown.items() if _is_plain(v)}
    if facts:
        yield title, table(["", ""], [[_name(k), _cell(v)] for k, v in facts.items()])
    for key, value in shown.items():
        if key in facts:
            continue
        below = f"{title}, {_name(key)}"
        if isinstance(value, list):
            yield below, _records([v for v in value if isinstance(v, dict)])
        elif isinstance(value, dict) and _is_grid(value):
            yield below, _records([{"": name} | row for name, row in value.items() if isinstance(row, dict)])
        elif isinstance(value, dict):
            yield from _parts(value, below)


def _is_grid(value: Mapping[str, JsonValue]) -> bool:
    """Whether it is rows by name: dictionaries that hold no further lists of dictionaries."""
    rows = [v for v in value.values() if isinstance(v, dict) and not _is_plain(v)]
    return len(rows) == len(value) > 0 and all(_is_plain(cell) for row in rows for cell in _flat(row).values())


def _records(rows: Sequence[Mapping[str, JsonValue]]) -> str:
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    text = table([_name(c) for c in columns], [[_cell(row.get(c)) for c in columns] for row in flat[:MOST_ROWS]])
    return text if len(flat) <= MOST_ROWS else f"{text}\nThe rest is in the run's file.\n"


def _flat(row: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Nested figures under the names of both; lists of dictionaries stay in the file."""
    found: dict[str, JsonValue] = {}
    for key, value in row.items():
        if isinstance(value, dict) and not _is_plain(value):
            found |= {f"{key} {name}": v for name, v in _flat(value).items()}
        elif _is_plain(value):
            found[key] = value
    return found


def _is_plain(value: JsonValue) -> bool:
    """Whether it fits into a cell."""
    if isinstance(value, dict):
        return "value" in value and set(value) <= _INTERVAL
    if isinstance(value, list):
        return not any(isinstance(v, dict | list) for v in value)
    return True


def _cell(value: JsonValue) -> str:
    if isinstance(value, dict):
        return with_interval(Figure.model_validate(value))
    if isinstance(value, list):
        return ", ".join(_cell(v) for v in value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    return "-" if value is None else str(value)


def _name(key: str) -> str:
    return key.replace("_", " ")
