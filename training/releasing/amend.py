"""``covidct-train amend``: what was measured since its release goes into a model's card.

Some figures take longer than the training: the same recipe trained again without a data set, or fold by fold. The model stays
as it is; its card is written anew from all that was measured, which lies beside it.
"""

import shutil
import tempfile
from pathlib import Path

from app.ct.manifest import read_manifest
from training.measured import MEASURED, keep_measurements
from training.releasing.findings import Findings
from training.releasing.packing import CARD
from training.releasing.report import model_card
from training.run import FILE_NAME, WEIGHTS, Run, RunError


def amend(model: Path, measured: Path) -> Path:
    """Add to what was measured of a model, and write its card anew; both, or neither where something is wrong.

    Args:
        model: folder that ``release`` wrote.
        measured: laid out as a run's folder; of each kind and title what is there already is replaced.

    Returns:
        Path of the card.

    Raises:
        RunError: nothing was measured there, or not on this model or its recipe; or the model was released without what
            its card was made of.
        BrokenModel: the manifest cannot be read.
    """
    manifest, kept = read_manifest(model), model / MEASURED
    if not (kept / FILE_NAME).is_file():
        raise RunError(f"The model has no {MEASURED}/{FILE_NAME}: release its run again.")
    with tempfile.TemporaryDirectory(prefix=".amend-", dir=model) as room:
        new = Path(room) / MEASURED
        shutil.copytree(kept, new)
        if not keep_measurements(measured, new):
            raise RunError(f"Nothing that was measured lies in {measured.name}.")
        run, findings = Run.read(new), Findings.read(new)
        findings.check(manifest, run)
        if findings.precision is not None:
            findings.precision.check_model(run, weights_sha256=manifest.files[WEIGHTS])
        card = Path(room) / CARD
        card.write_text(model_card(manifest.name, run, findings, manifest.engines["openvino"]), encoding="utf-8")
        kept.rename(Path(room) / "before")
        new.rename(kept)
        card.replace(model / CARD)
    return model / CARD
