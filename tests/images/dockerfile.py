"""Reads a Dockerfile, as far as ours goes: stages, instructions, and what each copies."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction, its lines joined."""

    word: str
    rest: str

    def flags(self) -> dict[str, str]:
        """``--from=build`` and the like."""
        return dict(re.findall(r"(?:^|(?<=\s))--(from|mount|chown|chmod)=(\S+)", self.rest))

    def words(self) -> list[str]:
        """Everything but the flags, as a shell would split it; the list itself where it is written as one."""
        if self.rest.lstrip().startswith("["):
            return [str(word) for word in json.loads(self.rest)]
        return [word for word in shlex.split(self.rest) if not re.match(r"--(from|mount|chown|chmod)=", word)]


@dataclass(frozen=True)
class Stage:
    """What stands between one FROM and the next."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]


def stages() -> dict[str, Stage]:
    """Ours, by name, in the order they stand."""
    found: dict[str, Stage] = {}
    for instruction in _instructions((ROOT / "Dockerfile").read_text(encoding="utf-8")):
        if instruction.word == "FROM":
            base, _, name = instruction.words()
            found[name] = Stage(name, base, ())
        else:
            last = next(reversed(found.values()))
            found[last.name] = Stage(last.name, last.base, (*last.instructions, instruction))
    return found


def _instructions(text: str) -> Iterator[Instruction]:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for logical in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if logical.strip():
            word, _, rest = logical.partition(" ")
            yield Instruction(word, rest)


def inherited(target: str) -> list[Instruction]:
    """The instructions of a stage and of all it builds on, the first one first."""
    known = stages()
    stage = known[target]
    before = inherited(stage.base) if stage.base in known else []
    return [*before, *stage.instructions]


def last(target: str, word: str) -> Instruction:
    """The instruction that counts where only the last one does."""
    return [i for i in inherited(target) if i.word == word][-1]


def environment(target: str) -> dict[str, str]:
    """What ENV sets, as written."""
    pairs = [pair for i in inherited(target) if i.word == "ENV" for pair in i.words()]
    return dict(pair.split("=", 1) for pair in pairs)


def copied(target: str) -> list[str]:
    """Paths that a stage, and those it builds on, take from the repository."""
    own = [i for i in inherited(target) if i.word == "COPY" and "from" not in i.flags()]
    return [source for i in own for source in i.words()[:-1]]
