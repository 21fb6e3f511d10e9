"""Sentences for readers that can be told in another language: English ones that remember what they were made of.

What is said is English everywhere in here: in the JSON, in logs, on the command line. Whoever has a catalog takes the
template to it and fills in the values; nothing here knows of catalogs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

Value = str | int | float
"""What a template is filled with; a sentence among them is told by itself."""


class Sentence(str):
    """English, with what it was made of.

    One that comes from a worker or out of a store may name any template: only those that a catalog knows may be filled.

    Attributes:
        template: what catalogs know it by.
        many: the template of any ``count`` but 1, where the sentence counts something; None elsewhere.
        values: by the names that stand in the template.
    """

    template: str
    many: str | None
    values: Mapping[str, Value]

    @classmethod
    def of(cls, english: str, template: str, many: str | None, values: Mapping[str, Value]) -> "Sentence":
        """A sentence whose English is known."""
        sentence = cls(english)
        sentence.template, sentence.many, sentence.values = template, many, values
        return sentence


def sentence(template: str, **values: Value) -> Sentence:
    """A sentence, or a part of one, whose template stands in the catalogs: it must be written out where this is called."""
    return Sentence.of(template.format(**values), template, None, values)


def counted(one: str, many: str, *, count: int, **values: Value) -> Sentence:
    """The same of something that is counted: ``one`` where ``count`` is 1, otherwise ``many``."""
    values = {"count": count, **values}
    return Sentence.of((one if count == 1 else many).format(**values), one, many, values)


def in_a_row(sentences: Iterable[str]) -> Sentence:
    """Several whole sentences as one text."""
    return _folded([*sentences], lambda first, second: sentence("{first} {second}", first=first, second=second))


def listed(parts: Iterable[str]) -> Sentence:
    """Several parts of a sentence, one after the other."""
    return _folded([*parts], lambda first, second: sentence("{first}; {second}", first=first, second=second))


def _folded(parts: Sequence[str], join: Callable[[str, str], Sentence]) -> Sentence:
    """In halves: one nested in the next, many parts would be deeper than what writes them down can go."""
    if len(parts) > 1:
        middle = len(parts) // 2
        return join(_folded(parts[:middle], join), _folded(parts[middle:], join))
    whole = parts[0] if parts else ""
    return whole if isinstance(whole, Sentence) else Sentence.of(whole, whole, None, {})
