"""Small runs on disk, as ``fit`` would leave them."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.ct.exam_rule import TopShareMean
from app.ct.manifest import Decision, NetworkSpec
from app.ct.precision import Agreement, Alike, Precision
from app.ct.preprocessing import spec_of
from tests.fakes import a_fitness
from training.measured import GRAPHS
from training.releasing.agreement import Rule
from training.releasing.precision_report import Calibrated, Candidate, PrecisionReport
from training.run import PartCount, Run
from training.seal import seal

NETWORK = NetworkSpec(head="attention", size=64, stages=(3,), evidence_channels=4)
_CHANNELS = 512


def a_run(**changes: object) -> Run:
    """A run of a tiny network."""
    defaults: dict[str, object] = {
        "recipe": "tiny",
        "settings": "as it is",
        "command": "covidct-train fit tiny",
        "seed": 7,
        "date": "2026-11-23",
        "hours": 0.25,
        "hardware": "two cores",
        "network": NETWORK,
        "preprocessing": spec_of("lung-box", NETWORK.size),
        "image": Decision(threshold=0.41, band=(0.32, 0.53)),
        "exam_rule": TopShareMean(
            top_share=0.2, decision=Decision(threshold=0.55, band=(0.4, 0.7)), rests_on="Small exams."
        ),
        "fitness": a_fitness(distance_limit=1e6),
        "data": (PartCount(dataset="soares", label=1, part="train", records=888, groups=15),),
        "limitations": ("Nothing was learned.",),
    }
    return Run.model_validate(defaults | changes)


def a_run_folder(folder: Path, **changes: object) -> Path:
    """Write run.json and the weights of an untrained network, and seal them."""
    import keras

    from app.ct.fitness import TrainingSlices
    from app.ct.network import build_network
    from app.ct.weights import save_weights, weights_of
    from training.fitting.likeness import fit_features

    keras.utils.set_random_seed(1)
    folder.mkdir(parents=True)
    a_run(**changes).write(folder)
    save_weights(weights_of(build_network(NETWORK)), folder / "weights.safetensors")
    random = np.random.default_rng(0).normal(0, 1, (40, _CHANNELS)).astype(np.float32)
    whole = fit_features(random, ["soares"] * len(random), directions=4)
    TrainingSlices(whole, None).save(folder / "fitness.safetensors")
    seal(folder)
    return folder


def an_evaluation(
    run: Path,
    title: str,
    *,
    kind: str = "evaluations",
    weights_sha256: str = "00",
    judgement_sha256: str = "00",
    auc: float = 0.8125,
    trained_on: str = "covid-ct, luna",
    recipe: str = "tiny",
    settings: str = "",
    where: str = "part=validation",
) -> None:
    """Write what ``evaluate`` would, with one figure."""
    figure = {"value": auc, "low": auc - 0.0313, "high": auc + 0.0547}
    counts = {"n": 372, "positives": 186, "groups": 6, "refused": 4, "cases": 373}
    counts |= {"refused_share": {"value": 4 / 373, "low": 0.0, "high": 0.05}}
    report = counts | {
        "notice": "Research use only.",
        "model": {
            "name": "m",
            "sha256": "11",
            "weights_sha256": weights_sha256,
            "judgement_sha256": judgement_sha256,
            "engine": "keras",
        },
        "data": ["work"],
        "where": [where],
        "by": "slice",
        "positive_class": "COVID-19",
        "threshold": 0.41,
        "unscored": 1,
        "refusals": [{"file": "/somewhere/data/soares/covid/0903.jpg", "why": "no-lung"}],
        "metrics": {"auc": figure, "f1": {"value": None, "low": None, "high": None}},
        "localization": {"n": 16, "groups": 16, "dice": figure, "evidence": {"dice": figure}},
        "per_source": {"soares": counts | {"metrics": {"auc": figure}}},
        "trained_with": {"recipe": recipe, "settings": settings, "data": trained_on},
    }
    path = run / kind / title / "metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(report))


def an_agreement(**changes: object) -> Agreement:
    """Figures that the rule allows, each of its own digits."""
    alike = Alike(median=0.9991, worst_decile=0.9925)
    defaults: dict[str, object] = {
        "slices": 771,
        "groups": 177,
        "auc": 0.8537,
        "reference_auc": 0.8549,
        "auc_loss": 0.0012,
        "auc_loss_low": -0.0031,
        "auc_loss_high": 0.0043,
        "largest_change": 0.0147,
        "median_change": 0.0019,
        "opposite": 0,
        "into_or_out_of_band": 11,
        "gate_changes": 2,
        "share": alike,
        "evidence": Alike(median=0.9983, worst_decile=0.9876),
        "ms_per_slice": 23.4567,
        "speed": 1.7891,
    }
    return Agreement.model_validate(defaults | changes)


def a_candidate(
    precision: Precision, *, speed: float = 1.7891, faults: Sequence[str] = (), **changes: object
) -> Candidate:
    """A measured precision."""
    measured = an_agreement(speed=speed, **changes)
    return Candidate(name=precision, precision=precision, measured=measured, faults=tuple(faults))


def a_precision(
    run: Path, candidates: Sequence[Candidate], *, weights_sha256: str = "00", graph: Path | None = None
) -> PrecisionReport:
    """Write what ``precision`` would, with ``graph`` (.xml, its .bin beside it) in the place of the quantized one."""
    files = [] if graph is None else [graph, graph.with_suffix(".bin")]
    names = {f"int8{path.suffix}": path.read_bytes() for path in files}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in names.items()}
    (run / GRAPHS).mkdir(exist_ok=True)
    for name, content in names.items():
        (run / GRAPHS / name).write_bytes(content)
    of = Run.read(run)
    report = PrecisionReport(
        weights_sha256=weights_sha256,
        preprocessing=of.preprocessing,
        calibration=of.calibration,
        image=of.image,
        rule=Rule(),
        quantized_on=Calibrated(part="train", slices=161, by_dataset={"soares": 161}),
        measured_on={"soares": 771},
        draws=2000,
        seed=0,
        hardware="four cores",
        native=("f32",),
        versions={"nncf": "3.4.0"},
        candidates=tuple(
            c.model_copy(update={"files": digests}) if c.precision == "int8" and graph else c for c in candidates
        ),
    )
    report.write(run)
    return report


def an_audit(run: Path, title: str, *, weights_sha256: str = "00", judgement_sha256: str = "00") -> Path:
    """Write what ``audit`` would, with one row."""
    auc = {"value": 0.8641, "low": 0.8123, "high": 0.9017}
    row = {"alteration": "jpeg", "source": "soares", "n": 367, "auc": {"before": auc}, "moves": {"largest": 0.0173}}
    model = {"name": "m", "weights_sha256": weights_sha256, "judgement_sha256": judgement_sha256}
    path = run / "audits" / title / "audit.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"notice": "", "model": model, "records": 369, "jpeg": {"rows": [row]}}))
    return path


def tamper(run: Path, value: float) -> None:
    """Put one value into a kernel of the run's weights, as if ``fit`` had ended with it."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(run / "weights.safetensors")
    name = next(name for name in weights if name.endswith("kernel"))
    weights[name].flat[0] = np.float32(value)
    save_file(weights, run / "weights.safetensors")
    seal(run)
