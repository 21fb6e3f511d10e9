"""What manifests say is known again, sentence by sentence."""

import pytest

from app.ct.manifest import read_manifest
from app.web.basis import recognized
from app.web.languages import Language, words_in
from tests.models import the_served_model

CHOSEN = (
    "Chosen on 50 validation patients of a and b with two or more slices each (median 4), not on whole exams: of these"
)
RANKING = "Read exam probabilities as a ranking."


def test_a_sentence_is_told_with_its_values() -> None:
    told = words_in(Language.CHINESE).tell(f"{CHOSEN} there are far too few. {RANKING}")

    assert told.startswith("在 a 和 b 的 50 名验证患者（每人两层以上，中位数 4 层）上选定")
    assert told.endswith("请将检查概率视为排序。")


@pytest.mark.parametrize("text", ["", "Something else.", f"{RANKING} Something else.", f"Something else. {RANKING}"])
def test_what_holds_another_sentence_is_not_known(text: str) -> None:
    assert recognized(text) is None


def test_the_served_model_says_nothing_else() -> None:
    manifest = read_manifest(the_served_model())
    told = [manifest.exam_rule.rests_on] + ([manifest.affected.rests_on] if manifest.affected else [])

    assert [text for text in told if recognized(text) is None] == []
