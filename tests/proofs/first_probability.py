"""When a running probability of the real exams is first told: seconds after the diagnosis began, here, with worker processes.

Run as ``python -m tests.proofs.first_probability``.
"""

import tempfile
import time
from pathlib import Path

from app.course import Reading, Scoring
from app.ct.classifier import Classifier
from app.ct.reading.files import NamedFile
from app.ct.workers.pool import WorkerPool
from app.exam_folder import Wish
from app.service import DiagnosisService
from app.uploads import Limits
from tests.builders import shared_data
from tests.models import the_served_model


def main(exams: Path) -> None:
    """Print the table."""
    classifier = Classifier.load(the_served_model())
    print("| exam | slices | first probability, s | of slices | whole diagnosis, s |\n|---|---|---|---|---|")
    with WorkerPool() as workers:
        workers.check()
        service = DiagnosisService(classifier, limits=Limits(), workers=workers)
        for folder in sorted(path for path in exams.iterdir() if path.is_dir()):
            files = [NamedFile(path.name, path) for path in sorted(folder.rglob("*")) if path.is_file()]
            first: list[tuple[float, int]] = []
            start = time.perf_counter()

            def note(step: Reading | Scoring, start: float = start, first: list[tuple[float, int]] = first) -> None:
                if isinstance(step, Scoring) and step.probability is not None:
                    first.append((time.perf_counter() - start, step.scored))

            with tempfile.TemporaryDirectory() as spool:
                service.diagnose(files, spool=Path(spool), wish=Wish(), on_progress=note)
            seconds, scored = first[0]
            whole = time.perf_counter() - start
            print(f"| {folder.name} | {len(files)} | {seconds:.2f} | {scored} | {whole:.2f} |")


if __name__ == "__main__":
    main(shared_data() / "exams")
