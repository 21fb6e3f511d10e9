"""Requests that the interface's own description allows, and forms that nothing allows."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from tests.hostile.seeds import seeds

_URL = "/api/v1/exams"
_GENERATED = settings(
    database=None, deadline=None, print_blob=False, suppress_health_check=list(HealthCheck), report_multiple_bugs=False
)


@dataclass
class Answers:
    """What was answered.

    Attributes:
        statuses: how often each.
        bad: answers of 500 and more, but for 503 and 507 that say when to come back.
        seconds: until each answer.
    """

    statuses: dict[int, int] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def note(self, name: str, status: int, headers: object, seconds: float) -> None:
        """One answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(seconds)
        if status >= 500 and not (status in (503, 507) and "retry-after" in {h.lower() for h in dict(headers)}):  # type: ignore[call-overload]
            self.bad.append(f"{name}: {status}")


def requests_of_the_whole_api(address: str, *, examples: int) -> Answers:
    """So many requests, spread over every address and method that ``/openapi.json`` tells of."""
    answers = Answers()
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    for operation in operations:

        def send(case: schemathesis.Case) -> None:
            start = time.monotonic()
            answer = case.call(timeout=60)
            name = f"{case.operation.method} {case.operation.path}"
            answers.note(name, answer.status_code, answer.headers, time.monotonic() - start)

        _run(send, operation.as_strategy(), examples=max(1, examples // len(operations)))
    return answers


def forms(address: str, *, examples: int) -> Answers:
    """So many uploads: forms that are none, names and fields of any kind, and files that were sound before they were cut."""
    answers = Answers()
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:

        def send(sent: tuple[bytes, bytes]) -> None:
            kind, body = sent
            start = time.monotonic()
            answer = client.post(_URL, content=body, headers={"Content-Type": kind})  # type: ignore[dict-item]
            answers.note("form", answer.status_code, answer.headers, time.monotonic() - start)

        _run(send, _bodies(), examples=examples)
    return answers


def _run(send: Callable[..., None], strategy: st.SearchStrategy[object], *, examples: int) -> None:
    @seed(0)
    @settings(_GENERATED, max_examples=examples)
    @given(strategy)
    def all_of_them(sent: object) -> None:
        send(sent)

    all_of_them()


def _bodies() -> st.SearchStrategy[tuple[bytes, bytes]]:
    """A content type and a body."""
    names = st.one_of(
        st.binary(max_size=40), st.sampled_from([b"a.dcm", b"../../etc/passwd", b"C:\\a", b"a" * 5000, b"\xff\xfe"])
    )
    fields = st.sampled_from([b"files", b"files", b"files", b"file", b"", b"slices"])
    contents = st.one_of(st.binary(max_size=200), st.sampled_from(sorted(seeds().values())).flatmap(_cut))
    part = st.tuples(fields, names, contents).map(_part)
    form = st.lists(part, max_size=4).map(lambda parts: b"".join(parts) + b"--x--\r\n")
    broken = st.tuples(form, st.integers(0, 400), st.binary(max_size=8)).map(
        lambda f: f[0][: f[1]] + f[2] + f[0][f[1] :]
    )
    kinds = st.sampled_from([b"multipart/form-data; boundary=x"] * 8 + list(_other_kinds()))
    return st.tuples(kinds, st.one_of(form, form, broken, st.binary(max_size=300)))


def _cut(content: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(0, len(content)).map(lambda end: content[:end]) | st.just(content)


def _part(told: tuple[bytes, bytes, bytes]) -> bytes:
    name, file, content = told
    head = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n'
    return head % (name, file) + content + b"\r\n"


def _other_kinds() -> Iterator[bytes]:
    yield from (
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/mixed; boundary=x",
        b"text/plain",
    )
    yield from (b"multipart/form-data; boundary=" + b"x" * 3000, b"application/json", b"\xff/\xff")
