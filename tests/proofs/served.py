"""The service with the model it really serves, on a CPU."""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from app.ct.classifier import Classifier
from app.ct.reading import NamedFile
from app.exam_folder import Wish
from app.service import Diagnosed, DiagnosisService
from app.uploads import Limits
from tests.models import the_served_model


@cache
def served() -> DiagnosisService:
    return DiagnosisService(Classifier.load(the_served_model(), engine="openvino"), limits=Limits())


SLICES = 64
"""Scored of every exam: the default depends on the processor, and README's figures are of this many."""


def diagnosed(files: Sequence[NamedFile]) -> Diagnosed:
    """As the server does it.

    Raises:
        ExamError: the upload is refused.
    """
    with tempfile.TemporaryDirectory() as spool:
        return served().diagnose(files, spool=Path(spool), wish=Wish(slices=SLICES), on_progress=lambda _: None)


PRECISIONS_DIFFER_BY = 0.02
"""The most that a probability told in README may be off: another processor computes in another precision."""
