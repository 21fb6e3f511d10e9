"""The measurement on a tiny network: 64 pixels, one stage, phantoms."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino
import pytest
from PIL import Image

from app.ct.engines.openvino import OpenVinoEngine
from app.ct.phantom import phantom
from tests.training.runs import a_run, a_run_folder, an_agreement
from training.records.catalog import CATALOG, Catalog, Part, Record
from training.releasing.agreement import Rule
from training.releasing.precision import (
    Bench,
    Contender,
    PrecisionSettings,
    calibration_records,
    in_turns,
    measure_precision,
)
from training.releasing.precision_report import PrecisionReport
from training.releasing.quantization import VARIANTS, Variant, nodes_kept
from training.run import PartCount, Run, RunError

ANYTHING = Rule(most_opposite=99, largest_change=1, least_correlation=-1, most_auc_loss=1, most_gate_changes=1)
SETTINGS = PrecisionSettings(
    rule=ANYTHING, variants=(VARIANTS[0], VARIANTS[3]), calibration_slices=4, rounds=1, draws=50
)


def a_record(folder: Path, number: int, part: Part | None, *, dataset: str = "soares") -> Record:
    path = folder / f"{dataset}-{number}.png"
    lesions = "many" if number % 2 else "none"
    Image.fromarray(phantom(slices=7, lesions=lesions, seed=number, size=96).exam().slices[3].gray).save(path)
    return Record(path, number % 2, dataset, group=f"{dataset}-{number // 2}", part=part)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    records = [a_record(folder, k, Part.TRAIN if k < 6 else Part.VALIDATION) for k in range(14)]
    Catalog((*records, a_record(folder, 1, Part.VALIDATION, dataset="left-out"))).write(folder / CATALOG)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run_folder(tmp_path_factory.mktemp("measured") / "run")


@pytest.fixture(scope="module", autouse=True)
def a_processor_that_computes_in_all_of_them() -> Iterator[None]:
    """What this one lacks, OpenVINO computes in float32."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Bench, "native", lambda _: ("bf16", "f32", "int8"))
        yield


@pytest.fixture(scope="module")
def report(run: Path, work: Path) -> PrecisionReport:
    return measure_precision(run, work, settings=SETTINGS)


def test_every_precision_is_measured_on_validation_slices_of_the_runs_data(report: PrecisionReport, run: Path) -> None:
    assert {c.name for c in report.candidates} == {"f32", "bf16", "int8", "int8-but-head-sums-conv1"}
    assert {c.measured.slices for c in report.candidates} == {8}
    assert report.measured_on == {"soares": 8}
    assert PrecisionReport.read(run) == report


def test_int8_is_calibrated_on_training_slices_alone(report: PrecisionReport) -> None:
    assert (report.quantized_on.part, report.quantized_on.slices) == ("train", 4)


def test_float32_differs_from_the_reference_by_next_to_nothing(report: PrecisionReport) -> None:
    f32 = next(c for c in report.candidates if c.name == "f32").measured

    assert f32.largest_change < 1e-3
    assert (f32.speed, f32.auc_loss) == (1.0, 0.0)


def test_what_is_quantized_differs_and_is_smaller(report: PrecisionReport, run: Path) -> None:
    int8 = next(c for c in report.candidates if c.name == "int8")
    images = np.random.default_rng(0).integers(0, 255, (2, 64, 64), dtype=np.uint8)

    stored = {p.name: p.stat().st_size for p in (run / "precision").iterdir() if p.suffix == ".bin"}
    allowed = report.allowed()["int8"].name

    assert int8.measured.largest_change > 0
    assert list(stored) == [f"{allowed}.bin"]
    assert stored[f"{allowed}.bin"] < (run / "weights.safetensors").stat().st_size / 3
    assert OpenVinoEngine(run / f"precision/{allowed}.xml", "int8")(images).logit.shape == (2,)


def test_candidates_come_fastest_first(report: PrecisionReport) -> None:
    speeds = [c.measured.speed for c in report.candidates]

    assert speeds == sorted(speeds, reverse=True)


def test_what_is_no_longer_allowed_is_not_kept(run: Path, report: PrecisionReport, work: Path, tmp_path: Path) -> None:
    again = shutil.copytree(run, tmp_path / "run")
    strict = PrecisionSettings(rule=Rule(largest_change=-1), variants=(), calibration_slices=2, rounds=1, draws=50)

    report = measure_precision(again, work, settings=strict)

    assert report.allowed() == {}
    assert all("change of probability" in c.faults for c in report.candidates)
    assert (run / "precision").exists()
    assert not (again / "precision").exists()


def test_a_catalog_without_the_runs_data_is_refused(tmp_path: Path, work: Path) -> None:
    other = PartCount(dataset="elsewhere", label=1, part="train", records=8, groups=4)
    a_run(data=(other,)).write(tmp_path)

    with pytest.raises(RunError, match="data sets"):
        measure_precision(tmp_path, work)


def test_calibration_slices_are_drawn_from_every_data_set_and_label(tmp_path: Path) -> None:
    many = [a_record(tmp_path, k, Part.TRAIN) for k in range(12)]
    few = [a_record(tmp_path, k, Part.TRAIN, dataset="small") for k in range(2)]

    chosen = calibration_records([*many, *few], 4, seed=0)

    assert {(r.dataset, r.label) for r in chosen} == {("soares", 0), ("soares", 1), ("small", 0), ("small", 1)}


def test_calibration_on_anything_but_training_slices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="training slices only"):
        calibration_records([a_record(tmp_path, 0, Part.VALIDATION)], 1, seed=0)


def test_engines_are_timed_in_turns() -> None:
    calls: list[str] = []

    class Noting:
        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, images: np.ndarray) -> None:
            calls.append(f"{self.name}{len(images)}")

    in_turns({name: Noting(name) for name in ("a", "b")}, np.zeros((8, 4, 4), np.uint8), rounds=2)

    assert calls == ["a8", "b8"] * 3


def test_the_head_is_all_that_features_do_not_depend_on(run: Path, report: PrecisionReport) -> None:
    model = openvino.Core().read_model(run / f"precision/{report.allowed()['int8'].name}.xml")

    head = nodes_kept(model, Variant("x", keeps=("head",)))
    first = nodes_kept(model, Variant("x", keeps=("conv1",)))

    kinds = {node.get_friendly_name(): node.get_type_name() for node in model.get_ordered_ops()}
    assert {kinds[name] for name in head} >= {"Sigmoid", "Divide"}
    assert [kinds[name] for name in first] == ["Convolution"]
    assert not set(head) & set(first)


def test_quantization_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    started = "import threading, training.releasing.quantization; print(threading.active_count())"
    at_home = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}

    said = subprocess.run([sys.executable, "-c", started], env=at_home, capture_output=True, text=True, check=True)

    assert said.stdout == "1\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("native", "allowed"), [(("bf16", "f32"), True), (("f32",), False)])
def test_what_a_processor_does_not_compute_is_not_allowed_by_what_it_did_instead(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: tuple[str, ...], *, allowed: bool
) -> None:
    monkeypatch.setattr(Bench, "native", lambda _: native)
    bench = Bench(Run.read(run), tmp_path, (), SETTINGS, lambda _: None)

    found = bench._candidate(Contender("bf16", "bf16", tmp_path / "graph.xml"), an_agreement())

    assert (not found.faults) is allowed
