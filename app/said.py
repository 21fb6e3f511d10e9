"""What was said of an exam, kept beside it: whoever reads it later may want another language than whoever sent it."""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, TypeAdapter, ValidationError

from app.ct.words import Sentence

Said = Mapping[str, Sentence]
"""Sentences by their English, which is all that the report and the problem hold of them."""


class _Kept(BaseModel):
    english: str
    template: str
    many: str | None = None
    values: "dict[str, int | float | str | _Kept]"


_ALL = TypeAdapter(list[_Kept])


def to_keep(sentences: Iterable[str]) -> str:
    """As text; what is no sentence, or has no values, is told by its English alone and left out."""
    wanted = [one for one in sentences if isinstance(one, Sentence) and one.values]
    return _ALL.dump_json([_kept(one) for one in wanted], exclude_none=True).decode()


def as_kept(text: str | None) -> Said:
    """What ``to_keep`` made; nothing of exams kept before anything was, which are then told in English."""
    try:
        kept = _ALL.validate_json(text or "[]")
    except ValidationError:
        return {}
    return {one.english: _sentence(one) for one in kept}


def _kept(said: Sentence) -> _Kept:
    values = {name: _kept(value) if isinstance(value, Sentence) else value for name, value in said.values.items()}
    return _Kept(english=str(said), template=said.template, many=said.many, values=values)


def _sentence(kept: _Kept) -> Sentence:
    values = {name: _sentence(value) if isinstance(value, _Kept) else value for name, value in kept.values.items()}
    return Sentence.of(kept.english, kept.template, kept.many, values)
