import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.builders import a_data_set
from tests.training.compared import a_compared_run
from tests.training.runs import an_evaluation
from training.cli import main

MANY = [{"dataset": "d", "label": i % 2, "group": f"g{i // 4}"} for i in range(40)]


def exit_code(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


def test_prepare_says_its_counts_on_stdout_and_its_progress_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = exit_code("prepare", a_data_set(tmp_path / "data", MANY), "-o", tmp_path / "work")

    out, err = capsys.readouterr()
    assert code == 0
    assert "label 1" in out
    assert "read 40 of 40 files" in err
    assert (tmp_path / "work/catalog.csv").is_file()


def test_a_leak_is_an_exit_code_and_two_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = a_data_set(tmp_path / "data", [{"split": "train", "group": "p"}, {"split": "val", "group": "p"}])

    code = exit_code("prepare", data, "-o", tmp_path / "work")

    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert "--drop-leaks" in err
    assert "Traceback" not in err


def test_dropping_leaks_goes_on(tmp_path: Path) -> None:
    leak = [{"dataset": "d", "label": 0, "group": "a", "seed": 5}, {"dataset": "medseg48", "label": 1, "seed": 5}]
    data = a_data_set(tmp_path / "data", [*MANY, *leak])

    assert exit_code("prepare", data, "-o", tmp_path / "work", "--drop-leaks") == 0


def test_evaluate_without_a_model_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = a_data_set(tmp_path / "data", MANY)

    assert exit_code("evaluate", "--model", tmp_path, data, "-o", tmp_path / "out") == 1
    assert "manifest.json" in capsys.readouterr().err


def test_a_threshold_of_no_evaluation_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = a_data_set(tmp_path / "data", MANY)

    code = exit_code("evaluate", "--model", tmp_path, data, "-o", tmp_path / "out", "--threshold", "specificity_0.90")

    assert code == 1
    assert "specificity_0.90 is one of another evaluation: name it with --threshold-from." in capsys.readouterr().err


def test_compare_prints_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_compared_run(tmp_path / "run")

    assert exit_code("compare", tmp_path / "run", "-o", tmp_path / "out") == 0
    assert capsys.readouterr().out.startswith("# Networks compared")


def test_matrix_prints_who_was_measured_on_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    an_evaluation(tmp_path / "run", "val")

    assert exit_code("matrix", tmp_path / "run/evaluations/val", "-o", tmp_path / "out") == 0
    assert "measured on" in capsys.readouterr().out


def test_cohort_prints_table_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("ct,rt_pcr\n1,0\n1,1\n")

    assert exit_code("cohort", tmp_path / "t.csv", "-o", tmp_path / "out", "--reference", "all") == 0
    assert "| CT | 2 of 2: 1.000" in capsys.readouterr().out


def test_a_cohort_without_its_columns_is_an_exit_code_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text("age\n50\n")

    assert exit_code("cohort", tmp_path / "t.csv", "-o", tmp_path / "out") == 1
    assert "Give a CSV" in capsys.readouterr().err


def test_release_of_no_run_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("release", tmp_path, "--name", "x", "--to", tmp_path / "store") == 1
    assert "run.json" in capsys.readouterr().err


def test_precision_of_no_run_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("precision", tmp_path, "-w", tmp_path) == 1
    assert "run.json" in capsys.readouterr().err


def test_the_command_line_starts_without_the_slow_libraries() -> None:
    slow = "{'keras', 'tensorflow', 'matplotlib', 'sklearn', 'openvino'}"
    check = f"import sys, training.cli; sys.exit(bool({slow} & sys.modules.keys()))"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_folder_that_cannot_be_written_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = a_data_set(tmp_path / "data", MANY)
    (tmp_path / "file").touch()

    assert exit_code("prepare", data, "-o", tmp_path / "file/work") == 1

    (told,) = [line for line in capsys.readouterr().err.splitlines() if "cannot be" in line]
    assert "file/work cannot be read or written: Not a directory." in told
