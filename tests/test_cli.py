"""The commands."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from app.cli import is_this_machine, main
from app.commands.doctor import check_machine, check_python, precision_told
from app.commands.given import exam_files
from app.commands.predict import Prediction, diagnosed_exam
from app.ct.phantom import phantom
from app.ct.phantom.files import jpeg_files, write
from app.ct.precision import EngineSpec, PrecisionSpec
from app.ct.reading.files import NamedFile
from app.exam_folder import Wish
from app.service import DiagnosisService
from app.settings import Settings, model_folder
from app.uploads import Limits
from tests.builders import a_zip
from tests.fakes import FakeClassifier, a_manifest
from tests.models import the_served_model


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def predicted(files: list[NamedFile], **scores: float) -> Prediction:
    service = DiagnosisService(FakeClassifier(**scores), limits=Limits())
    return diagnosed_exam(files, service, wish=Wish(), on_progress=lambda _: None)


@pytest.fixture
def demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    code, out, _ = run(capsys, "demo", "-o", tmp_path / "demo", "--slices", 9, "--lesions", "few")
    assert code == 0
    assert "synthetic" in out
    return tmp_path / "demo"


def test_the_demo_is_an_exam_as_dicom_and_as_jpeg(demo: Path) -> None:
    assert len(list((demo / "dicom").iterdir())) == len(list((demo / "jpeg").iterdir())) == 9


@pytest.mark.parametrize("kind", ["dicom", "jpeg"])
def test_the_demo_can_be_diagnosed(demo: Path, kind: str) -> None:
    prediction = predicted(exam_files([demo / kind]))

    assert prediction.report.input.slices == 9
    assert "Research use only" in prediction.text()


def test_the_text_says_what_the_verdict_rests_on(demo: Path) -> None:
    exam = predicted(exam_files([demo / "jpeg"]))
    image = predicted(exam_files(sorted((demo / "jpeg").iterdir())[4:5]))

    assert "strongest 20 % of the scored slices. Chosen on nothing: a fake." in exam.text()
    assert "judged by the image threshold" in image.text()


def test_the_text_tells_the_band_as_finely_as_the_probability(demo: Path) -> None:
    text = predicted(exam_files([demo / "jpeg"])).text()

    assert re.search(r"probability \d\.\d{3}  \(threshold \d\.\d{3}, inconclusive \d\.\d{3} to \d\.\d{3}\)", text)


def test_the_text_says_why_a_verdict_was_held_back(demo: Path) -> None:
    sparse = predicted(exam_files([demo / "dicom"]), spread=0.0)

    assert sparse.text().startswith("INCONCLUSIVE  probability 0.953")
    assert "held back: Slices are missing within the lungs" in sparse.text()


def test_folder_files_and_zip_are_the_same_exam(demo: Path, tmp_path: Path) -> None:
    files = sorted((demo / "dicom").iterdir())
    archive = tmp_path / "exam.zip"
    archive.write_bytes(a_zip([(file.name, file.read_bytes()) for file in files]))

    found = {predicted(exam_files(paths)).report.probability for paths in ([demo / "dicom"], files, [archive])}

    assert len(found) == 1


def test_slices_in_hidden_places_of_a_folder_are_read(demo: Path) -> None:
    last, *_, first = sorted((demo / "dicom").iterdir())
    (demo / "dicom" / ".part2").mkdir()
    last.rename(demo / "dicom" / ".part2" / last.name)
    first.rename(first.with_name(f".{first.name}"))

    report = predicted(exam_files([demo / "dicom"])).report

    assert report.input.slices == 9
    assert not any("left out" in warning for warning in report.input.warnings)


def test_what_file_managers_leave_in_a_folder_is_counted_and_not_refused(demo: Path) -> None:
    (demo / "dicom" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1\0\0\x10\0")
    (demo / "dicom" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")

    report = predicted(exam_files([demo / "dicom"])).report

    assert report.input.slices == 9
    assert report.input.warnings[0] == "2 files that are not slices were left out."


def test_a_written_report_names_its_pictures(demo: Path, tmp_path: Path) -> None:
    prediction = predicted(exam_files([demo / "jpeg"]))

    prediction.write(tmp_path / "out")

    report = json.loads((tmp_path / "out" / "report.json").read_text())
    for name in (report["heatmap"], *(one["overlay"] for one in report["slices"] if one["scored"])):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    assert report["notice"]


def test_a_report_without_pictures_names_none(demo: Path) -> None:
    prediction = predicted(exam_files([demo / "jpeg"]))

    report = json.loads(prediction.json(with_pictures=False))

    assert "heatmap" not in report
    assert "overlay" not in report["slices"][0]


def test_a_missing_path_is_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "predict", tmp_path / "nowhere")

    assert code == 2
    assert out == ""
    assert "does not exist" in err


@pytest.mark.parametrize("asked", ["0", "-1", "many", "1.5", ""])
def test_a_number_of_slices_that_is_none_is_a_wrong_call(
    asked: str, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "predict", demo / "jpeg", "--slices", asked)

    assert (code, out) == (2, "")
    assert "--slices takes a number" in err


def test_json_and_csv_cannot_both_have_stdout(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "predict", demo / "jpeg", "--json", "--csv", "-")

    assert (code, out) == (2, "")
    assert "both want stdout" in err


def test_exams_that_are_all_diagnosed_end_with_0(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    the_served_model()

    code, out, err = run(capsys, "predict", "--each", demo, "--slices", 2, "--csv", "-")

    assert code == 0
    assert out.startswith("exam,verdict,probability")
    assert len(out.splitlines()) == 3
    assert err.splitlines()[-1] == "2 exams: 2 diagnosed, 0 refused or failed"


def test_a_refused_exam_ends_with_1_after_the_others_are_diagnosed(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    the_served_model()
    (demo / "dicom" / "IM0003.dcm").write_bytes(b"")

    code, out, _ = run(capsys, "predict", demo / "dicom", demo / "jpeg", "--slices", 2, "--json")

    refused, report = map(json.loads, out.splitlines())
    assert code == 1
    assert (refused["status"], refused["problem"]["code"]) == ("refused", "unreadable")
    assert (report["input"]["slices"], report["input"]["scored"]) == (9, 2)


def test_results_are_not_written_into_what_each_looks_into(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    the_served_model()

    for folder in (demo, demo / "out"):
        code, out, err = run(capsys, "predict", "--each", demo, "-o", folder)

        assert (code, out) == (2, "")
        assert "would be taken for slices the next time" in err
    assert sorted(p.name for p in demo.iterdir()) == ["dicom", "jpeg"]


def test_a_single_exam_found_with_each_is_one_of_several(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    the_served_model()
    (demo / "dicom").rename(tmp_path / "away")

    code, out, err = run(capsys, "predict", "--each", demo, "--slices", 1, "--json", "-o", tmp_path / "out")

    assert code == 0
    assert [json.loads(line)["exam"] for line in out.splitlines()] == [str(demo / "jpeg")]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["jpeg"]
    assert err.splitlines()[-1] == "1 exam: 1 diagnosed, 0 refused or failed"


def started(
    *arguments: object,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    **environment: str,
) -> subprocess.Popen[bytes]:
    # Under nohup, which may have begun the tests, a hang-up is ignored, and rightly.
    heeding = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); from app.cli import main; main()"
    command = [sys.executable, "-c", heeding, *map(str, arguments)]
    return subprocess.Popen(command, env=os.environ | environment, stdout=stdout, stderr=stderr)


def ended(*arguments: object, stdout: IO[bytes], **environment: str) -> tuple[int, str]:
    """The exit code of a command, and what it told."""
    with started(*arguments, stdout=stdout, **environment) as process:
        _, err = process.communicate(timeout=60)
    return process.returncode, err.decode()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_being_ended_leaves_no_unpacked_slices_behind(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    the_served_model()
    archive, spool = tmp_path / "exam.zip", tmp_path / "spool"
    spool.mkdir()
    archive.write_bytes(a_zip((file.name, file.read()) for file in jpeg_files(phantom(slices=60, size=128))))

    with started("predict", archive, "--slices", "all", TMPDIR=str(spool)) as process:
        while not (unpacked := list(spool.glob("covidct-*/*"))) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(sent)
        assert process.wait(timeout=30) == code

    assert unpacked
    assert list(spool.iterdir()) == []


def test_a_name_that_stdout_has_no_letters_for_stops_nothing(tmp_path: Path) -> None:
    the_served_model()
    for name in ("患者", "b"):
        write(jpeg_files(phantom(slices=3, size=128)), tmp_path / name)

    with started("predict", "--each", tmp_path, "--slices", 1, PYTHONIOENCODING="latin-1") as process:
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert out.count(b"Research use only") == 2
    assert rb"\u60a3\u8005" in out


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_stdout_that_is_full_costs_no_result_that_goes_elsewhere(tmp_path: Path, unbuffered: str) -> None:
    the_served_model()
    for name in ("a", "b"):
        write(jpeg_files(phantom(slices=3, size=128)), tmp_path / "exams" / name)
    options = ["--each", tmp_path / "exams", "--slices", 1, "--json", "-o", tmp_path / "out"]

    with Path("/dev/full").open("wb") as full:
        code, err = ended("predict", *options, stdout=full, PYTHONUNBUFFERED=unbuffered)

    assert code == 1
    assert err.count("could not be written: No space left on device") == 2
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert len(list((tmp_path / "out").glob("*/report.json"))) == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_a_full_stdout_does_not_take_is_told_in_a_line(unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        code, err = ended("version", stdout=full, PYTHONUNBUFFERED=unbuffered)

    assert (code, err) == (2, "stdout cannot be written (No space left on device).\n")


def test_a_stderr_that_is_full_costs_no_result(tmp_path: Path) -> None:
    the_served_model()
    write(jpeg_files(phantom(slices=3, size=128)), tmp_path / "exam")

    with Path("/dev/full").open("wb") as full, started("predict", tmp_path / "exam", stderr=full) as process:
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert b"Research use only" in out


@pytest.mark.parametrize("option", [["--port", "99999"], ["--port", "-1"]])
def test_a_port_that_is_none_is_a_wrong_call(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "serve", *option)

    assert (code, out) == (2, "")
    assert err.startswith(f"--port cannot be {option[1]}: ")
    assert len(err.splitlines()) == 1


def test_a_variable_that_cannot_be_is_a_wrong_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COVIDCT_MAX_FILES", "abc")

    code, out, err = run(capsys, "doctor")

    assert (code, out) == (2, "")
    assert err.startswith("COVIDCT_MAX_FILES cannot be abc: ")


def test_a_variable_that_is_no_setting_is_told_once_and_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("COVIDCT_RETENTION_HOURS", "1")
    monkeypatch.setenv("COVIDCT_NO_SKIPS", "1")

    code, _, err = run(capsys, "key", "add", "ward", "--data-dir", tmp_path)

    assert code == 0
    assert [line for line in err.splitlines() if "COVIDCT" in line] == [
        "COVIDCT_RETENTION_HOURS is no setting of covidct and changes nothing; COVIDCT_RETENTION_H is one."
    ]


def test_the_port_that_kubernetes_sets_is_told_with_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COVIDCT_PORT", "tcp://10.0.0.1:8000")

    code, _, err = run(capsys, "doctor")

    assert code == 2
    assert err.startswith("COVIDCT_PORT cannot be tcp://10.0.0.1:8000: ")
    assert "`enableServiceLinks: false`" in err


@pytest.mark.parametrize("folder", ["/proc", "n" * 300])
def test_a_demo_that_cannot_be_written_is_a_wrong_call(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "demo", "--slices", 1, "-o", folder)

    assert code == 2
    assert "give -o another folder" in err


@pytest.mark.parametrize("folder", ["file", "n" * 300])
def test_a_place_that_cannot_hold_exams_is_a_wrong_call(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    the_served_model()
    (tmp_path / "file").touch()

    code, _, err = run(capsys, "serve", "--port", 0, "--data-dir", tmp_path / folder)

    assert code == 2
    assert "set --data-dir" in err


def test_the_doctor_sees_a_store_whose_name_is_too_long(tmp_path: Path) -> None:
    settings = Settings(model_dir=tmp_path, data_dir=tmp_path / ("n" * 300))

    checks = {check.name: check for check in check_machine(settings)}

    assert not checks["store"].is_ok


def test_the_help_says_what_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "predict", "--help")

    assert "Exit code: 0 when every exam was diagnosed, 1" in " ".join(out.split())


def test_without_a_model_the_reader_is_told_what_to_do(
    tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "predict", demo / "jpeg", "--model-dir", tmp_path / "nothing")

    assert code == 1
    assert "manifest.json" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.org"])
def test_other_machines_are_kept_out_unless_opened(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "serve", "--host", host)

    assert code == 2
    assert "--open" in err


def test_a_data_folder_that_cannot_be_looked_into_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "serve", "--host", "0.0.0.0", "--data-dir", "x" * 300)

    assert code == 2
    assert "cannot be read (File name too long); set --data-dir" in err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_is_known(host: str) -> None:
    assert is_this_machine(host)


def test_serving_a_broken_model_ends_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model").mkdir()

    code, _, err = run(capsys, "serve", "--port", 0, "--model-dir", tmp_path / "model", "--data-dir", tmp_path / "data")

    assert code == 1
    assert "The model folder is not sound" in err


def test_the_doctor_says_what_is_wrong_with_the_model(tmp_path: Path) -> None:
    checks = {check.name: check for check in check_machine(Settings(model_dir=tmp_path, data_dir=tmp_path / "data"))}

    assert not checks["model"].is_ok
    assert "covidct-train release" in checks["model"].says
    assert checks["store"].is_ok
    assert checks["decoder JPEG lossless"].is_ok


@pytest.mark.parametrize(
    ("precision", "told"),
    [("int8", "int8"), ("f32", "f32 (this processor lacks the instructions for int8)")],
)
def test_the_doctor_says_which_precision_will_run_and_why(precision: str, told: str) -> None:
    choices = {name: PrecisionSpec(file=f"{name}.xml", tolerance=0.01) for name in ("int8", "f32")}
    manifest = a_manifest().model_copy(update={"engines": {"openvino": EngineSpec.of(choices)}})

    says = precision_told(SimpleNamespace(manifest=manifest, engine_name="openvino", precision=precision))

    assert says == told


@pytest.mark.parametrize(
    ("version", "is_ok"), [((3, 10, 9), False), ((3, 11, 0), True), ((3, 12, 13), True), ((3, 13, 0), False)]
)
def test_the_doctor_knows_which_python_runs_the_service(version: tuple[int, int, int], is_ok: bool) -> None:
    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())

    assert check_python(version).is_ok is is_ok
    assert pyproject["project"]["requires-python"] == ">=3.11,<3.13"


def test_the_doctor_sees_a_store_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")

    checks = {check.name: check for check in check_machine(Settings(model_dir=tmp_path, data_dir=tmp_path / "data"))}

    assert not checks["store"].is_ok


@pytest.mark.parametrize(
    ("workers", "told"), [(0, "a decoder that crashes ends the service"), (1, "no connections and"), (1, "files")]
)
def test_the_doctor_says_how_decoders_are_shut_in(tmp_path: Path, workers: int, told: str) -> None:
    settings = Settings(model_dir=tmp_path, data_dir=tmp_path / "data", workers=workers)
    checks = {check.name: check for check in check_machine(settings)}

    assert checks["workers"].is_ok == (workers > 0)
    assert told in checks["workers"].says


def test_a_named_model_folder_is_taken(tmp_path: Path) -> None:
    assert model_folder(Settings(model_dir=tmp_path)) == tmp_path


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVIDCT_PORT", "8123")

    assert Settings().port == 8123
