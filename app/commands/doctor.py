"""What this machine has, and what to do about what it lacks."""

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom import uid
from pydicom.pixels.decoders.base import get_decoder

from app.audit import check_not_ahead, head_of
from app.ct.errors import CovidCTError, NoWorkers, OldSchema
from app.ct.reading.syntaxes import DECODERS
from app.ct.workers.pool import WorkerPool
from app.data_folder import AUDIT_FILE, EXAMS, is_held
from app.database import FILE, DatabaseToRead, check_not_parted, has_database
from app.settings import Settings, model_folder
from app.storage import LEAST_FREE_MB, free_mb

if TYPE_CHECKING:
    from app.ct.classifier import Classifier

# The versions that every engine has packages for, as pyproject.toml says.
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 12)
SYNTAXES = {
    "RLE": uid.RLELossless,
    "JPEG baseline": uid.JPEGBaseline8Bit,
    "JPEG lossless": uid.JPEGLosslessSV1,
    "JPEG-LS": uid.JPEGLSLossless,
    "JPEG 2000": uid.JPEG2000Lossless,
    "HTJ2K": uid.HTJ2KLossless,
}


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, or what to do."""

    name: str
    is_ok: bool
    says: str


def check_machine(settings: Settings) -> Iterator[Check]:
    """Every check, the slow one last."""
    yield check_python(sys.version_info[:3])
    yield _openvino()
    yield _keras()
    yield _gpu()
    yield from _decoders()
    yield _workers(settings)
    yield _store(settings)
    yield _model(settings)


def check_python(version: tuple[int, int, int]) -> Check:
    """Whether this version of Python runs the service."""
    found, oldest, newest = (".".join(str(part) for part in v) for v in (version, OLDEST_PYTHON, NEWEST_PYTHON))
    is_ok = OLDEST_PYTHON <= version[:2] <= NEWEST_PYTHON
    return Check("python", is_ok, f"{found} ({oldest} to {newest} is needed)")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _openvino() -> Check:
    version = _version("openvino")
    if version is None:
        return Check("engine openvino", False, "not installed; install the extra `cpu`")
    return Check("engine openvino", True, version)


def _keras() -> Check:
    version = _version("keras")
    if version is None:
        return Check("engine keras", True, "not installed; only a GPU needs it (extra `gpu`)")
    return Check("engine keras", True, version)


def _gpu() -> Check:
    if not Path("/proc/driver/nvidia/version").exists():
        return Check("gpu", True, "none; the CPU engine serves")
    if importlib.util.find_spec("keras") is None:
        return Check("gpu", False, "an NVIDIA driver, but no Keras; install the extra `gpu` to use it")
    return Check("gpu", True, "an NVIDIA driver")


def _decoders() -> Iterator[Check]:
    for name, syntax in SYNTAXES.items():
        # That which reads it here: another one that is installed is never asked.
        has_decoder = DECODERS[syntax] in get_decoder(syntax).available_plugins
        yield Check(f"decoder {name}", has_decoder, "found" if has_decoder else "missing; reinstall from the lock")


def _workers(settings: Settings) -> Check:
    if settings.workers == 0:
        return Check("workers", False, "none: a decoder that crashes ends the service; unset COVIDCT_WORKERS")
    with WorkerPool(settings.workers) as pool:
        try:
            shut_in, walled_off = pool.are_shut_in(), pool.are_walled_off()
        except NoWorkers as error:
            return Check("workers", False, f"{error.message}. {error.advice}")
        bounds = "no connections and no other programs" if shut_in else "bounded, but free to connect: no seccomp here"
        files = "no files but those of programs" if walled_off else "free to read files: no Landlock here"
        return Check("workers", True, f"{pool.count}, {bounds}; {files}")


def _store(settings: Settings) -> Check:
    folder = settings.data_dir.resolve()
    try:
        return _without_room(folder) or (_store_in(folder) if folder.exists() else _store_to_be(folder))
    except OldSchema:
        return Check("store", True, f"{folder}, of an older version; the service brings it up to date when it starts")
    except CovidCTError as error:
        return Check("store", False, f"{folder}: {error.message} {error.advice}")
    except (OSError, ValueError) as error:
        return Check("store", False, f"{folder} cannot be used ({type(error).__name__}); set --data-dir")


def _without_room(folder: Path) -> Check | None:
    """A disk with next to nothing left, which a service that runs already needs as well."""
    left = free_mb(_nearest(folder))
    if left >= LEAST_FREE_MB:
        return None
    return Check(
        "store",
        False,
        f"{folder} has {left:.1f} MB left on its disk; free {LEAST_FREE_MB} MB at least, or set --data-dir",
    )


def _nearest(folder: Path) -> Path:
    """The folder, or what is to hold it where it is not there yet."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _store_in(folder: Path) -> Check:
    """What a service would find, without making or changing anything."""
    if is_held(folder):
        return Check("store", True, f"{folder}, in use by a running service")
    database, log = folder / FILE, folder / AUDIT_FILE
    check_not_parted(database)
    for path in (folder, folder / EXAMS, database, log):
        if path.exists() and not os.access(path, os.W_OK):
            return Check("store", False, f"{path} cannot be written; set --data-dir")
    if has_database(database):
        with closing(DatabaseToRead(database)) as opened, opened.session() as session:
            check_not_ahead(log, head_of(session))
    return Check("store", True, str(folder))


def _store_to_be(folder: Path) -> Check:
    can_write = os.access(_nearest(folder), os.W_OK | os.X_OK)
    return Check("store", can_write, f"{folder} {'will be made' if can_write else 'cannot be made; set --data-dir'}")


def _model(settings: Settings) -> Check:
    from app.ct.classifier import Classifier  # here, because it brings the engine with it

    try:
        classifier = Classifier.load(model_folder(settings), engine=settings.engine)
    except CovidCTError as error:
        return Check("model", False, f"{error.message} {error.advice}")
    manifest = classifier.manifest
    return Check(
        "model",
        True,
        f"{manifest.name} {manifest.sha256[:16]} on {classifier.engine_name} in {precision_told(classifier)}, "
        "hashes and self-test passed",
    )


def precision_told(classifier: "Classifier") -> str:
    """What will run, and why where it is not what the model is served in."""
    served = classifier.manifest.engines.get("openvino")
    if classifier.engine_name != "openvino" or served is None or classifier.precision == served.precision:
        return classifier.precision
    return f"{classifier.precision} (this processor lacks the instructions for {served.precision})"
