"""README says what is there."""

import json
import re
from pathlib import Path

from typer.main import get_command

from app.cli import commands as serving
from app.main import create_app
from app.settings import Settings, unknown_settings
from app.web.schemas import ExamReport
from tests.models import the_served_model
from training.cli import commands as training

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WITH_INTERVAL = re.compile(r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)")


def section(title: str) -> str:
    return README.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_figure_with_an_interval_stands_in_the_model_card():
    card = (the_served_model() / "MODEL_CARD.md").read_text(encoding="utf-8")

    figures = WITH_INTERVAL.findall(section("What this is worth"))

    assert figures
    assert [figure for figure in figures if figure not in card] == []


def test_the_model_it_names_is_the_one_served():
    assert the_served_model().name in section("What this is worth")


def test_every_make_target_it_names_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))

    assert set(re.findall(r"`?make ([a-z]+)", README)) <= targets


def test_every_command_it_names_exists():
    named = {"covidct": set(), "covidct-train": set()}
    for program, name in re.findall(r"(covidct(?:-train)?) ([a-z]+(?:-[a-z]+)*)", README):
        named[program].add(name)

    assert named["covidct"] <= set(get_command(serving).commands)
    assert named["covidct-train"] <= set(get_command(training).commands)


def over_http() -> str:
    return section("What it does").split("### Over HTTP\n", 1)[1].split("\n### ", 1)[0]


def test_every_call_of_the_api_stands_there(tmp_path: Path):
    paths = create_app(Settings(data_dir=tmp_path)).openapi()["paths"]

    ends = {path.rsplit("/", 1)[1] if "/slices/" in path else path for path in paths}

    assert [end for end in ends if f"{end}`" not in over_http()] == []


def test_every_call_it_names_is_one_of_the_api(tmp_path: Path):
    paths = create_app(Settings(data_dir=tmp_path)).openapi()["paths"]
    named = re.findall(r"`(?:([A-Z]+) )?(/(?:api|livez|readyz|metrics)[a-z0-9_/{}.]*)(?<!\.\.\.)`", over_http())

    assert len(named) > 10
    assert [call for call in named if (call[0] or "GET").lower() not in paths.get(call[1], {})] == []


def test_the_report_it_shows_is_one():
    shown = json.loads(re.search(r"```json\n(.*?)```", over_http(), flags=re.DOTALL)[1])

    read = ExamReport.model_validate(shown).model_dump(mode="json", exclude_unset=True)

    assert read == shown


def as_told(default: object) -> str:
    match default:
        case None | ():
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case int() | float():
            return f"{default:.15g}"
        case Path():
            return f"`{default.name}`"
        case _:
            return f"`{default}`"


def test_every_setting_stands_there_with_its_default():
    told = re.findall(r"^\| `COVIDCT_(\w+)` \| ?(.*?) ?\| (?:\S.*) \|$", README, flags=re.MULTILINE)

    assert told == [(name.upper(), as_told(field.default)) for name, field in Settings.model_fields.items()]


def test_every_variable_it_names_is_a_setting():
    assert unknown_settings(dict.fromkeys(re.findall(r"COVIDCT_[A-Z]\w+", README), "")) == []


def test_it_says_on_its_first_lines_what_it_is_not():
    assert "Research use only. Not a medical device." in "\n".join(README.splitlines()[:6])


def test_no_file_names_a_package_registry():
    address = re.compile(r"--(extra-)?index-url|--find-links|pypi\.org/simple|registry\.npmjs")
    files = [*(ROOT / "requirements").iterdir(), ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / ".ci/run"]

    assert [
        f.name for f in files if address.search(f.read_text(encoding="utf-8").replace("--no-emit-index-url", ""))
    ] == []


def test_the_security_page_names_tests_that_exist_and_no_address():
    said = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[a-z_/.]+)`", said)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert not re.search(r"://|\w@\w", said)
