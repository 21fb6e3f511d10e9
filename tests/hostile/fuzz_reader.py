"""The reader under a fuzzer that is led by coverage: ``python -m tests.hostile.fuzz_reader CORPUS [options of libFuzzer]``.

It runs in this process, native decoders and all; what is no refusal ends it with another exit code than 0.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["app.ct.reading", "app.uploads", "pydicom.filereader", "pydicom.dataset"]):
    from app.ct.workers import ON_THE_SPOT
    from tests.hostile.farm import end_of
    from tests.hostile.seeds import seeds


def one(content: bytes) -> None:
    """Read one file."""
    end_of([content], workers=ON_THE_SPOT)


if __name__ == "__main__":
    corpus = Path(sys.argv[1])
    for number, content in enumerate(seeds().values()):
        (corpus / f"seed-{number}").write_bytes(content)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
