"""Imports run one way: app.ct <- app.service and its like <- app.web <- app.main, app.cli; training -> app.ct only.

Within training they run along ``ROOMS``; what lies in ``training`` itself, such as ``training.run``, all rooms use.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE, SERVICE, WEB, TOP = range(4)
ROOMS = (
    "metrics",
    "records",
    "imaging",
    "learning",
    "measuring",
    "deciding",
    "fitting",
    "audits",
    "studies",
    "releasing",
    "recipes",
    "cli",
)
COMMANDS = {"app.main", "app.cli", "app.commands"}
MODULES = sorted(p.relative_to(ROOT) for room in ("app", "training") for p in (ROOT / room).rglob("*.py"))


def floor(module: str) -> int:
    """How far above ``app.ct`` a module of ``app`` stands; ``app`` itself holds a name and a notice that all may use."""
    room = ".".join(module.split(".")[:2])
    return {"app": CORE, "app.ct": CORE, "app.web": WEB}.get(room, TOP if room in COMMANDS else SERVICE)


def room(module: str) -> int:
    """How late a module of ``training`` comes; -1 for what all rooms use."""
    name = [*module.split("."), ""][1]
    return ROOMS.index(name) if name in ROOMS else -1


def imported(path: Path) -> Iterator[str]:
    """What a file imports, a name out of a package as that package's module where it is one."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            below = {a.name: ROOT / str(node.module).replace(".", "/") / a.name for a in node.names}
            yield from (f"{node.module}.{n}" for n, p in below.items() if p.is_dir() or p.with_suffix(".py").is_file())
            yield str(node.module)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_run_one_way(path):
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    ours = [m for m in imported(path) if m.split(".")[0] in ("app", "training")]

    if module.split(".")[0] == "training":
        assert not [m for m in ours if m.startswith("app.") and not m.startswith("app.ct")]
        assert not [m for m in ours if m.startswith("training") and room(m) > room(module)]
    else:
        assert not [m for m in ours if m.startswith("training") or floor(m) > floor(module)]
