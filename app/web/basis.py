"""What the decisions of a model rest on, as its manifest says it: English text, told in other languages by its templates.

A manifest is a file of its own that outlives the program that wrote it, so its sentences are known again by their form. They
are those that ``covidct-train`` writes now, and those of the model in ``model_store``.
"""

import re
from functools import cache, reduce

from app.ct.words import Sentence, in_a_row, sentence


def template(text: str) -> str:
    """``text``; catalogs know it by this call."""
    return text


_TEMPLATES = (
    template(
        "Chosen of {rules} rules on {patients} validation patients of {datasets} with two or more slices each (median"
        " {median}), each also among {healthy} healthy slices of others: AUC {auc}."
    ),
    template(
        "Chosen of {rules} rules on {patients} validation patients of {datasets} with two or more slices each (median"
        " {median}): AUC {auc}."
    ),
    template(
        "On {exams} phantoms and other whole exams, judged by 16, 32, 64 and all slices and by other choices of 32, the"
        " probability changes by {change} at most."
    ),
    template("How much depends on which slices are scored was not measured."),
    template(
        "Whole exams with a known diagnosis are far too few to choose or to calibrate on: read exam probabilities as a"
        " ranking."
    ),
    template("Chosen on nothing: there were no validation patients of both classes with several slices."),
    template("Chosen on nothing: on the validation patients with several slices no rule rose with the label."),
    template(
        "Chosen on {patients} validation patients of {datasets} with two or more slices each (median {median}), not on"
        " whole exams: of these there are far too few."
    ),
    template(
        "A whole exam has more slices to choose its strongest from, so its probability tends to be higher than these"
        " patients'."
    ),
    template("Read exam probabilities as a ranking."),
    template(
        "Fitted on {ill} slices of {patients} patients with lesions drawn by people, and on {healthy} slices of healthy"
        " people; with each patient left out in turn the mean absolute error is {error} by slice."
    ),
    template("The map itself was trained on most of these patients, so the error on others may be larger."),
    template(
        "It is the share of the lung that looks affected by any disease, not by COVID-19 alone, on the slices scored; it"
        " is no volume of lesions."
    ),
)


def recognized(text: str) -> Sentence | None:
    """The text as sentences of which catalogs know the templates; None where one of them is another."""
    for known in _TEMPLATES:
        found = _pattern(known).match(text)
        if found is not None:
            values = {name: _several(value) for name, value in found.groupdict().items()}
            first = Sentence.of(found[0].rstrip(), known, None, values)
            others = recognized(text[found.end() :]) if found.end() < len(text) else None
            if others is None:
                return first if found.end() == len(text) else None
            return in_a_row((first, others))
    return None


def _several(value: str) -> str:
    """Names of several data sets are told as such."""
    first, *others = value.split(" and ")
    return reduce(lambda one, other: sentence("{first} and {second}", first=one, second=other), others, first)


@cache
def _pattern(known: str) -> re.Pattern[str]:
    form = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(known))
    return re.compile(rf"{form}(?: |$)")
