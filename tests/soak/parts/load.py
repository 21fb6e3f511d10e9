"""Eight clients at 70 % of what the service can do, then four times of what it can: nothing is lost, refusals are in order."""

from collections.abc import Iterator, Sequence

import httpx

from tests.bench.client import Form
from tests.soak.rows import Length, Row
from tests.soak.sending import Sent, a_form, at_a_rate, one_after_the_other, p95, told
from tests.soak.service import Service, served

CLIENTS = 8
_QUEUE = 4


def run(length: Length) -> Iterator[Row]:
    """Load for ten minutes, overload for five."""
    form = a_form(slices=6 if length.short else 60, size=128 if length.short else 384)
    with served(queue_size=_QUEUE) as service:
        alone = one_after_the_other(service, form, times=3 if length.short else 10)[1:]
        capacity = _capacity(service, form, seconds=3 if length.short else 60)
        usual = at_a_rate(
            service, form, clients=CLIENTS, per_s=0.7 * capacity, seconds=length.seconds(whole=600, short=4)
        )
        yield from _usual_rows(usual, alone)
        too_much = at_a_rate(
            service,
            form,
            clients=CLIENTS * 4,
            per_s=4 * capacity,
            seconds=length.seconds(whole=300, short=4) / (2 if length.minutes else 1),
        )
        yield _order_row("four times the capacity", too_much)
        yield _health_row(service)


def _capacity(service: Service, form: Form, *, seconds: float) -> float:
    """Exams a second where there is always another one waiting."""
    sent = at_a_rate(service, form, clients=3, per_s=1000, seconds=seconds)
    return max(0.1, sum(one.fate == "done" for one in sent) / seconds)


def _usual_rows(usual: Sequence[Sent], alone: Sequence[Sent]) -> Iterator[Row]:
    yield _order_row(f"{CLIENTS} clients at 70 % of capacity", usual)
    away = sum(one.fate != "done" for one in usual)
    yield Row("the same, not diagnosed at once", f"{away} of {len(usual)}", "0", away == 0, of_machine=True)
    ratio = p95(usual) / p95(alone)
    seen = f"{ratio:.2f} ({p95(usual):.2f} s against {p95(alone):.2f} s)"
    yield Row("the same, p95 against p95 of a single client", seen, "at most 2", ratio <= 2, of_machine=True)


def _order_row(test: str, sent: Sequence[Sent]) -> Row:
    is_in_order = bool(sent) and all(one.fate in ("done", "refused-well") for one in sent)
    return Row(test, told(sent), "done, or 503 with Retry-After", is_in_order)


def _health_row(service: Service) -> Row:
    with service.client(timeout_s=10) as client:
        try:
            answers = [client.get(path).status_code for path in ("/livez", "/readyz", "/metrics")]
        except httpx.TransportError as error:
            return Row("health and metrics after that", type(error).__name__, "200 each", False)
    seen = ", ".join(map(str, answers))
    return Row("health and metrics after that", seen, "200 each", answers == [200, 200, 200])
