"""Notices a diagnosis in which nothing happens any more, such as a native call that never returns."""

import threading
from collections.abc import Callable, Mapping

from app.course import Course

STUCK_CODE = 75
"""Exit code of a service that ends because a diagnosis does not (EX_TEMPFAIL): whoever supervises it starts it again."""


class Watch:
    """Looks at the courses of all exams, in a thread of its own."""

    def __init__(self, courses: Mapping[str, Course], *, limit_s: float, on_stuck: Callable[[str], None]) -> None:
        """Look at nothing before ``start``.

        Args:
            courses: of exams by id; may change meanwhile.
            limit_s: how long nothing may happen in a diagnosis that has begun.
            on_stuck: told the id of an exam once that is over.
        """
        self._courses, self._limit_s, self._on_stuck = courses, limit_s, on_stuck
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _look(self) -> None:
        while not self._stopped.wait(min(1.0, self._limit_s / 4)):
            for exam_id, course in list(self._courses.items()):
                if course.still_s > self._limit_s:
                    self._on_stuck(exam_id)
                    return
