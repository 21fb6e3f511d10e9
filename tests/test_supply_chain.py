"""What the service is made of: known, locked by hash, above what is known to be broken, and unaltered."""

import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from app.ct import manifest
from app.ct.errors import BrokenModel
from app.ct.manifest import read_manifest
from app.settings import STORE
from tests.models import a_model_folder, replaced

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
SERVING = [lock for lock in LOCKS if lock.name.startswith("serve-")]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)
# The least version without a known hole that strangers' bytes, or those of a model, can reach.
LEAST = {
    "pillow": "13.0.0",  # heap overflow in JPEG, October 2026
    "pydicom": "3.0.2",
    "python-multipart": "0.0.27",  # parts and headers of a form without bound
    "jinja2": "3.1.6",  # out of the sandbox by attr
    "starlette": "1.10",
    "keras": "3.15",  # code in what load_model reads; ours are weights alone
}


def pinned(lock: Path) -> dict[str, str]:
    return dict(PINNED.findall(lock.read_text(encoding="utf-8")))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_locked_version_has_a_known_hole(lock):
    locked = pinned(lock)

    assert {"pillow", "pydicom", "python-multipart", "jinja2", "starlette"} <= set(locked)
    assert [n for n, least in LEAST.items() if n in locked and Version(locked[n]) < Version(least)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_every_package_by_hash_and_names_no_address(lock):
    text = lock.read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]

    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry or "==" not in entry] == []
    assert "://" not in text


@pytest.mark.parametrize("lock", SERVING, ids=lambda lock: lock.name)
def test_the_bill_of_materials_names_what_is_locked(lock, tmp_path):
    bill = tmp_path / "sbom.json"
    options = ["--short-PURLs", "--output-reproducible", "--of", "JSON", "-o", str(bill)]
    subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", "requirements", str(lock), *options], check=True, capture_output=True
    )

    said = json.loads(bill.read_text(encoding="utf-8"))
    assert said["bomFormat"] == "CycloneDX"
    assert {part["name"]: part["version"] for part in said["components"]} == pinned(lock)
    assert all(part["externalReferences"][0]["hashes"] for part in said["components"])


@pytest.mark.parametrize(
    "name", sorted({path.name for path in STORE.glob("*/*") if path.is_file()} - {"MODEL_CARD.md"})
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_flipped_byte_of_any_file_of_the_model_refuses_it_by_name(name, place, tmp_path):
    folder = a_model_folder(tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[{"first": 0, "middle": len(content) // 2, "last": -1}[place]] ^= 1
    replaced(folder / name, bytes(content))

    with pytest.raises(BrokenModel, match=re.escape(name)):
        read_manifest(folder)


def test_a_threshold_moved_in_the_manifest_refuses_it(tmp_path):
    folder = a_model_folder(tmp_path)
    said = (folder / "manifest.json").read_text(encoding="utf-8")
    replaced(folder / "manifest.json", said.replace('"threshold": 0.5', '"threshold": 0.6', 1).encode())

    with pytest.raises(BrokenModel, match=r"manifest\.json is not the file"):
        read_manifest(folder)


def test_a_file_of_the_model_that_may_not_be_read_refuses_it_by_name(tmp_path, monkeypatch):
    folder, digest = a_model_folder(tmp_path), manifest.file_sha256

    def refuse(path):
        if path.name == "weights.safetensors":
            raise PermissionError(errno.EACCES, "Permission denied")
        return digest(path)

    monkeypatch.setattr(manifest, "file_sha256", refuse)

    with pytest.raises(BrokenModel, match=r"weights\.safetensors cannot be read"):
        read_manifest(folder)


def test_the_service_does_not_start_with_an_altered_model(tmp_path):
    folder = a_model_folder(tmp_path)
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    replaced(folder / "weights.safetensors", bytes(content))

    options = ["serve", "--port", "0", "--model-dir", str(folder), "--data-dir", str(tmp_path / "data")]
    ended = subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ended.returncode != 0
    assert "weights.safetensors is not the file" in ended.stderr
