"""Sentences are English, and remember what they were made of."""

import pytest

from app.ct.reading.files import Damaged, named
from app.ct.words import Sentence, Value, counted, in_a_row, listed, sentence
from app.ct.workers.plain import packed, unpacked
from app.said import as_kept, to_keep
from app.web.languages import Language, words_in

CHINESE = words_in(Language.CHINESE)
EMPTY = sentence("{files}: {reason}.", files=named([1, 2, 4], 9), reason=sentence("empty"))
JUNK = ("{count} file that is not a slice was left out.", "{count} files that are not slices were left out.")
SHIFTED = (
    "The values of the volume are no Hounsfield units: they are {offset:g} too high."
    " Write them with the rescale slope and intercept of the slices applied."
)
TOLD = "第 1-2, 4 个文件（按上传顺序，共 9 个）：文件为空。"


def test_a_sentence_is_its_english():
    assert sentence("At most {most} bytes are taken here.", most=3) == "At most 3 bytes are taken here."
    assert EMPTY == "Files 1-2, 4 of 9 (in the order sent): empty."


def test_what_is_counted_agrees_with_its_number():
    said = [counted("{count} slice lies", "{count} slices lie", count=count) for count in (0, 1, 2)]

    assert said == ["0 slices lie", "1 slice lies", "2 slices lie"]


def test_parts_within_a_sentence_are_told_too():
    assert CHINESE.tell(EMPTY) == TOLD
    assert CHINESE.tell(in_a_row([EMPTY, EMPTY])) == TOLD + TOLD
    assert CHINESE.tell(listed(["localizer", "dose sheet"])) == "定位像；剂量报告"


def test_many_parts_are_kept_and_told():
    many = [sentence("series {number}", number=n) for n in range(1000)]

    for joined in (listed(many), in_a_row(many)):
        assert CHINESE.tell(str(joined), as_kept(to_keep([joined]))).count("序列") == 1000
    assert listed(many).startswith("series 0; series 1; series 2; ")


def test_texts_alone_are_taken_as_they_are():
    assert in_a_row(["One."]) == "One."
    assert in_a_row([]) == ""
    assert CHINESE.tell(in_a_row(["One.", "Two."])) == "One.Two."


def test_a_worker_can_send_a_sentence():
    text, _ = packed(Damaged(EMPTY))
    came = unpacked(text, memoryview(b""))

    assert CHINESE.tell(came.reason) == TOLD


def test_a_sentence_survives_being_kept():
    kept = as_kept(to_keep([EMPTY, sentence("empty"), "One."]))

    assert list(kept) == [EMPTY]
    assert CHINESE.tell(str(EMPTY), kept) == TOLD


def test_what_cannot_be_read_back_is_told_in_english():
    assert as_kept(None) == as_kept("") == as_kept("[{}]") == as_kept("no JSON") == {}
    assert CHINESE.tell(str(EMPTY), {}) == EMPTY


@pytest.mark.parametrize(
    ("template", "many", "values"),
    [
        (*JUNK, {"n": 1}),
        (*JUNK, {"count": "?"}),
        (*JUNK, {"count": sentence("empty")}),
        (*JUNK, {"count": float("inf")}),
        ("{series}: {count} x {why}", None, {"series": "series 1"}),
        (SHIFTED, None, {"offset": "much"}),
    ],
)
def test_values_that_do_not_fit_leave_a_sentence_english(template: str, many: str | None, values: dict[str, Value]):
    kept = Sentence.of("English.", template, many, values)

    assert CHINESE.gettext(template) != template
    assert CHINESE.tell(kept) == "English."


def test_a_template_that_no_catalog_knows_is_not_filled():
    wide = Sentence.of("English.", "{count:>9999999999}{count.__class__}", None, {"count": 1})

    assert CHINESE.tell(wide) == "English."
