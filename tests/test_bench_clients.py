"""Several clients at once, at a server that turns some of them away."""

import pytest

from tests.bench.client import Form, client_of
from tests.bench.crowd import Crowd, Waited, alone, measure_crowd, send_patiently
from tests.bench.crowds import SINGLE_BEHIND, course_over_clients, crowd_figures, crowd_name, crowds_table
from tests.bench.fakes import a_service
from tests.bench.figures import by_name
from tests.bench.process import BenchFailed
from tests.builders import files


def a_form() -> Form:
    return Form.of(files(b"one", b"two"))


def a_crowd(clients: int, *, seconds: float = 1.0) -> Crowd:
    waited = tuple(Waited(seconds * (k + 1), k % 2) for k in range(clients))
    return Crowd(waited, seconds * clients, Waited(0.2, 0), (0.010, 0.030))


def test_who_is_turned_away_comes_again() -> None:
    with a_service(503, 503) as (server, service), client_of(server) as client:
        waited = send_patiently(client, a_form())

    assert (waited.turned_away, service.uploads, service.erased) == (2, 3, 1)
    assert waited.seconds > 0


def test_who_is_refused_ends_the_measurement() -> None:
    with a_service(422) as (server, _), client_of(server) as client, pytest.raises(BenchFailed, match="422"):
        send_patiently(client, a_form())


def test_everybody_is_answered_and_the_single_image_too() -> None:
    with a_service(503) as (server, service):
        crowd = measure_crowd(server, a_form(), a_form(), clients=4)

    assert (len(crowd.clients), service.erased) == (4, 5)
    assert sum(c.turned_away for c in (*crowd.clients, crowd.single)) == 1
    assert crowd.pulse_s


def test_a_crowd_of_which_one_is_refused_ends_and_leaves_no_thread() -> None:
    with a_service(422, 422, 422) as (server, _), pytest.raises(BenchFailed):
        measure_crowd(server, a_form(), a_form(), clients=2)


def test_a_server_that_does_not_say_it_is_alive_ends_the_measurement() -> None:
    with a_service() as (server, service):
        service.is_alive = False
        with pytest.raises(BenchFailed, match="/livez"):
            measure_crowd(server, a_form(), a_form(), clients=2)


def test_alone_the_first_request_does_not_count() -> None:
    with a_service() as (server, service):
        seconds = alone(server, a_form(), rounds=2)

    assert (len(seconds), service.uploads) == (2, 3)


def test_percentiles_are_of_clients_and_ranges_of_rounds() -> None:
    (row,) = crowds_table([a_crowd(4), a_crowd(4, seconds=2.0)], exam="any", engine="fake").rows

    assert row[:3] == ("4", "3.00 (2.00 to 4.00)", "6.00 (4.00 to 8.00)")


def test_figures_of_crowds_are_named_by_their_size() -> None:
    figures = by_name(crowd_figures([a_crowd(1), a_crowd(4)], alone_s=(0.1,)))

    assert figures[crowd_name(4, SINGLE_BEHIND)].rounds == (0.2,)
    assert figures[crowd_name(4, "throughput")].rounds == (1.0,)
    assert figures[crowd_name(4, "turned away")].rounds == (2,)


def test_the_line_over_clients_needs_three_sizes() -> None:
    (course,) = course_over_clients([a_crowd(1), a_crowd(4), a_crowd(16)])

    assert (course.sizes, course.seconds) == ((1, 4, 16), (1.0, 4.0, 16.0))
    assert course_over_clients([a_crowd(1), a_crowd(4)]) == []
