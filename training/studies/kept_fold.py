"""A fold's evaluation to be kept in the repository: digests stand in for the names of the data's files and groups.

Run as ``python -m training.studies.kept_fold EVALUATION OUT``. ``pool`` takes kept folds beside those just measured.
"""

import csv
import hashlib
import json
import re
import sys
from pathlib import Path

from training.measuring.evaluate import SCORES
from training.run import METRICS

_DIGEST = re.compile(r"[0-9a-f]{16}")
_NAMES = ("file", "group")


def digest_of(name: str) -> str:
    """The first 16 hexadecimal digits of a name's SHA-256; of a digest itself."""
    return name if _DIGEST.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:16]


def keep_fold(evaluation: Path, out: Path) -> None:
    """Write ``metrics.json`` and ``scores.csv`` of ``evaluation`` into ``out``, files and groups by their digests."""
    out.mkdir(parents=True, exist_ok=True)
    told = json.loads((evaluation / METRICS).read_text(encoding="utf-8"), object_pairs_hook=_without_names)
    (out / METRICS).write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    with (
        (evaluation / SCORES).open(encoding="utf-8", newline="") as source,
        (out / SCORES).open("w", encoding="utf-8", newline="") as target,
    ):
        rows = csv.DictReader(source)
        table = csv.DictWriter(target, rows.fieldnames or (), lineterminator="\n")
        table.writeheader()
        table.writerows(dict(_without_names(list(row.items()))) for row in rows)


def _without_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {key: digest_of(value) if key in _NAMES and isinstance(value, str) else value for key, value in pairs}


if __name__ == "__main__":
    keep_fold(Path(sys.argv[1]), Path(sys.argv[2]))
