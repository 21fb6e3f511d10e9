"""What fine-tuning gives and costs: AUC of weights on the way from the head alone to the end of the served recipe.

Run as ``python -m tests.proofs.midway RUN WORK LEFT_OUT``, with the run of ``covidct-train fit served --without LEFT_OUT``
and the folder of ``prepare``; on two cores it takes three minutes. Measured on 500 slices of the data set that was left out,
drawn with a fixed seed, and on the validation slices of the others, which the run was chosen by.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.metrics import roc_auc_score

from app.ct.network import build_network
from app.ct.preprocessing import make_preprocessor
from app.ct.weights import load_weights
from training.deciding.decisions import JUDGED_ON
from training.learning.features import Frozen
from training.records.catalog import Catalog, Part, Record
from training.run import WEIGHTS, Run

SLICES = 500
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def main(run_folder: Path, work: Path, left_out: str, *, seed: int = 0) -> None:
    """Print a row for each share of the way."""
    run = Run.read(run_folder)
    records = chosen(Catalog.read(work), left_out, np.random.default_rng(seed))
    preprocessor = make_preprocessor(run.preprocessing.name, run.preprocessing.size)
    images = np.stack([preprocessor(record.read().slices[0]).image for record in records])
    labels, datasets = np.array([r.label for r in records]), np.array([r.dataset for r in records])
    network = build_network(run.network)
    head_alone, whole = load_file(run_folder / "stretch-1" / WEIGHTS), load_file(run_folder / WEIGHTS)
    names = (left_out, *(name for name in JUDGED_ON if name != left_out))
    print(f"| share of the way | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for share in SHARES:
        with tempfile.TemporaryDirectory() as room:
            save_file({k: mixed(head_alone[k], whole[k], share) for k in whole}, Path(room) / WEIGHTS)
            load_weights(network, Path(room) / WEIGHTS)
        logits = np.concatenate([batch["logit"].ravel() for batch in Frozen(network).batches(images)])
        areas = [roc_auc_score(labels[datasets == name], logits[datasets == name]) for name in names]
        print(f"| {share} | {' | '.join(f'{area:.3f}' for area in areas)} |", flush=True)


def chosen(catalog: Catalog, left_out: str, rng: np.random.Generator) -> list[Record]:
    """Slices of the data set that was left out, then of validation."""
    unseen = [r for r in catalog.records if r.dataset == left_out and r.part is not Part.MEASURE]
    some = [unseen[k] for k in rng.permutation(len(unseen))[:SLICES]]
    known = set(JUDGED_ON) - {left_out}
    return some + [r for r in catalog.of_part(Part.VALIDATION) if r.dataset in known]


def mixed(first: np.ndarray, last: np.ndarray, share: float) -> np.ndarray:
    """An array that share of the way from ``first`` to ``last``, of their type."""
    between = (1 - share) * first.astype(np.float32) + share * last.astype(np.float32)
    return np.asarray(between.astype(first.dtype))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
