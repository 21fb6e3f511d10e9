"""The digests of what ``fit`` wrote, recorded at its end: what was altered since is not the run that is measured."""

import json
from pathlib import Path

from app.ct.manifest import file_sha256
from training.run import FILE_NAME, WEIGHTS, RunError

SEAL = "digests.json"
_ALWAYS = (FILE_NAME, WEIGHTS)
_WHERE_WRITTEN = ("fitness.safetensors", "scores.csv", "history.csv")


def seal(run_folder: Path) -> None:
    """Record the digest of every file of the run that a model, or its card, is made of.

    Args:
        run_folder: with all that ``fit`` writes; measurements come later and name the weights they were made with.
    """
    there = [name for name in (*_ALWAYS, *_WHERE_WRITTEN) if (run_folder / name).is_file()]
    text = json.dumps({name: file_sha256(run_folder / name) for name in there}, indent=1)
    aside = run_folder / f"{SEAL}.new"
    aside.write_text(text + "\n", encoding="utf-8")
    aside.replace(run_folder / SEAL)


def check_seal(run_folder: Path) -> None:
    """Refuse a run that is not as ``fit`` left it.

    Raises:
        RunError: it was never finished, or a file is altered, missing, or came from elsewhere.
    """
    sealed = _read(run_folder)
    altered = [n for n, digest in sealed.items() if not _is(run_folder / n, digest)]
    altered += [n for n in (*_ALWAYS, *_WHERE_WRITTEN) if n not in sealed and (run_folder / n).exists()]
    if altered:
        raise RunError(f"Altered since `fit` ended: {', '.join(altered)}.")


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and file_sha256(path) == digest


def _read(run_folder: Path) -> dict[str, str]:
    try:
        found = json.loads((run_folder / SEAL).read_bytes())
    except OSError as error:
        raise RunError(f"There is no {SEAL} in the run's folder: `fit` did not end.") from error
    except ValueError as error:
        raise RunError(f"{SEAL} of the run is not valid.") from error
    if not isinstance(found, dict) or not set(_ALWAYS) <= found.keys():
        raise RunError(f"{SEAL} of the run is not valid.")
    return {Path(name).name: str(digest) for name, digest in found.items()}
