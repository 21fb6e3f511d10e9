"""The same bytes, again and again: the same report but for its id and its times."""

import json
from collections.abc import Iterator

from tests.bench.client import EXAMS
from tests.soak.rows import Length, Row
from tests.soak.sending import a_form
from tests.soak.service import served

_OF_ONE_EXAM = ("id", "created_at", "expires_at", "timing_s")


def run(length: Length) -> Iterator[Row]:
    """A hundred times, in two runs of the service."""
    times, form, reports = 4 if length.short else 100, a_form(slices=24), list[str]()
    with served() as service:
        for number in range(times):
            if number == times // 2:
                service.stop()
                service.start()
            with service.client() as client:
                told = client.post(EXAMS, content=form.body, headers=form.headers).json()
            plain = json.dumps({name: value for name, value in told.items() if name not in _OF_ONE_EXAM})
            reports.append(plain.replace(told["id"], "ID"))
    alike = reports.count(reports[0])
    yield Row(
        "the same bytes, sent again, also after a restart", f"{alike} of {times} reports alike", "all", alike == times
    )
