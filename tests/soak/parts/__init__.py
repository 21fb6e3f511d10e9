"""The parts of the soak: every module here has ``run(length) -> rows`` and is called by its file's name."""

import pkgutil
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import cast

from tests.soak.rows import Length, Row

Part = Callable[[Length], Iterable[Row]]


def names() -> list[str]:
    """All parts, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def part(name: str) -> Part:
    """The part of that name; only it is imported."""
    return cast(Part, import_module(f"{__name__}.{name}").run)
