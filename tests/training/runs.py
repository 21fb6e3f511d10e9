"""Small runs on disk, as ``fit`` would leave them."""

import json
from pathlib import Path

import numpy as np

from app.ct.exam_rule import TopShareMean
from app.ct.manifest import Decision, NetworkSpec
from app.ct.preprocessing import spec_of
from tests.fakes import a_fitness
from training.run import PartCount, Run

NETWORK = NetworkSpec(head="attention", size=64, stages=(3,), evidence_channels=4)
_CHANNELS = 512


def a_run(**changes: object) -> Run:
    """A run of a tiny network."""
    defaults: dict[str, object] = {
        "recipe": "tiny",
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
    """Write run.json and the weights of an untrained network."""
    import keras

    from app.ct.fitness import TrainingSlices
    from app.ct.network import build_network
    from app.ct.weights import save_weights, weights_of
    from training.likeness import fit_features

    keras.utils.set_random_seed(1)
    folder.mkdir(parents=True)
    a_run(**changes).write(folder)
    save_weights(weights_of(build_network(NETWORK)), folder / "weights.safetensors")
    random = np.random.default_rng(0).normal(0, 1, (40, _CHANNELS)).astype(np.float32)
    whole = fit_features(random, ["soares"] * len(random), directions=4)
    TrainingSlices(whole, None).save(folder / "fitness.safetensors")
    return folder


def an_evaluation(
    run: Path,
    title: str,
    *,
    kind: str = "evaluations",
    weights_sha256: str = "00",
    judgement_sha256: str = "00",
    auc: float = 0.8125,
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
        "where": ["part=validation"],
        "by": "slice",
        "positive_class": "COVID-19",
        "threshold": 0.41,
        "unscored": 1,
        "refusals": [{"file": "/somewhere/data/soares/covid/0903.jpg", "why": "no-lung"}],
        "metrics": {"auc": figure, "f1": {"value": None, "low": None, "high": None}},
        "localization": {"n": 16, "groups": 16, "dice": figure, "evidence": {"dice": figure}},
        "per_source": {"soares": counts | {"metrics": {"auc": figure}}},
    }
    path = run / kind / title / "metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(report))


def tamper(run: Path, value: float) -> None:
    """Put one value into a kernel of the run's weights."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(run / "weights.safetensors")
    name = next(name for name in weights if name.endswith("kernel"))
    weights[name].flat[0] = np.float32(value)
    save_file(weights, run / "weights.safetensors")
