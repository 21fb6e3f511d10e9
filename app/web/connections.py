"""Connections that keep nobody waiting: uvicorn's own HTTP protocol (h11, in Python, which bounds headers), with deadlines.

A request's header has a time to come whole in, its body a least rate to come at, its answer a time to be taken in, and one client
so many connections. The service's own slowness counts for nobody: while it reads nothing, no time runs.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from app.ct.errors import Busy, CovidCTError
from app.logs import complain
from app.web.languages import ENGLISH
from app.web.problems import InvalidRequest, TooSlow, problem_of, problem_response

_LAST_WORDS_S = 1.0
"""Time that the rest of an answer has to be taken in once its connection is closed."""
_NO_DESCRIPTOR_S = 1.0
"""Time until a connection is accepted again where one could not be: what waits then stays in the system's line."""


@dataclass(frozen=True)
class Patience:
    """What a connection is given.

    Attributes:
        header_s: time from the connection, or from a request's first byte, until its header is whole.
        body_s: the stretch of time over which a body must come at the least rate.
        least_kb_s: that rate, in units of 1024 bytes a second.
        answer_s: time in which some of an answer that waits to be sent must be taken in.
        per_client: connections from one address at once.
        together: from all addresses, so that descriptors are left for the files of exams.
        retry_after_s: when to try again, as told to those who find no place.
    """

    header_s: float
    body_s: float
    least_kb_s: float
    answer_s: float
    per_client: int
    together: int
    retry_after_s: int


def protocol_of(patience: Patience, on_refusal: Callable[[str], None]) -> type[asyncio.Protocol]:
    """What uvicorn makes a connection's protocol with; ``on_refusal`` is told the code of each connection that is turned away."""
    return cast(type[asyncio.Protocol], partial(PatientProtocol, patience, Counter[str](), on_refusal))


class PatientProtocol(H11Protocol):
    """One connection."""

    def __init__(
        self,
        patience: Patience,
        clients: Counter[str],
        on_refusal: Callable[[str], None],
        *arguments: Any,
        **options: Any,
    ) -> None:
        """As uvicorn's, with the connections of every client."""
        super().__init__(*arguments, **options)
        self._patience, self._clients, self._on_refusal = patience, clients, on_refusal
        self._deadline: asyncio.TimerHandle | None = None
        self._answer_deadline: asyncio.TimerHandle | None = None
        self._awaited: object = None
        self._came = 0
        self._host: str | None = None

    def take_place(self, host: str) -> bool:
        """Count the connection with those of its client, until ``leave_place``; whether there is a place for it."""
        self._host = host
        self._clients[host] += 1
        most = self._patience
        return self._clients[host] <= most.per_client and self._clients.total() <= most.together

    def leave_place(self) -> None:
        """Forget the connection."""
        if self._host is not None:
            self._clients[self._host] -= 1
            if not self._clients[self._host]:
                del self._clients[self._host]
            self._host = None

    def refuse(self) -> None:
        """Forget a connection that there is no place for, before anything can be told."""
        self._on_refusal(Busy.code)
        self.leave_place()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, if that is not done already; turn it away where its client has too many."""
        super().connection_made(transport)
        if self._host is not None or self.take_place(self.client[0] if self.client else ""):
            self._wait_for(h11.IDLE)
        else:
            self._turn_away(Busy())

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._stop_waiting()
        self._stop_answering()
        self.leave_place()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if not self.transport.is_closing():
            self._came += len(data)
            super().data_received(data)

    def handle_events(self) -> None:
        """Understand what has come, and wait for the rest."""
        super().handle_events()
        if self.transport.is_closing():
            self._stop_waiting()
        else:
            self._wait_for(self.conn.their_state)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  ours says the same
        """Tell that this is no HTTP."""
        self._turn_away(InvalidRequest(), status=400)

    def pause_writing(self) -> None:
        """Wait for the client to take some of its answer in."""
        super().pause_writing()
        self._answer_deadline = self.loop.call_later(self._patience.answer_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Some of it was taken in."""
        super().resume_writing()
        self._stop_answering()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        super().timeout_keep_alive_handler()
        self._abort_soon()

    def _wait_for(self, state: object) -> None:
        """Begin to wait for a header (IDLE) or a body (SEND_BODY), or for nothing; a wait that goes on is not begun anew."""
        is_between = state is h11.IDLE and self.timeout_keep_alive_task is not None
        awaited = None if is_between or state not in (h11.IDLE, h11.SEND_BODY) else state
        if awaited is self._awaited:
            return
        self._stop_waiting()
        self._awaited, self._came = awaited, 0
        if awaited is h11.IDLE:
            self._deadline = self.loop.call_later(self._patience.header_s, self._turn_away, TooSlow())
        elif awaited is h11.SEND_BODY:
            self._deadline = self.loop.call_later(self._patience.body_s, self._look_at_body)

    def _look_at_body(self) -> None:
        """Whether enough of it came; where it was answered without, the rest has had its time."""
        least = self._patience.least_kb_s * 1024 * self._patience.body_s
        is_ours = self.flow.read_paused or self.cycle.waiting_for_100_continue
        if self.cycle.response_complete or not (is_ours or self._came >= least):
            self._turn_away(TooSlow())
        else:
            self._came = 0
            self._deadline = self.loop.call_later(self._patience.body_s, self._look_at_body)

    def _turn_away(self, error: CovidCTError, *, status: int | None = None) -> None:
        """Close, with a problem where no answer was begun; what was asked ends as it does when the client leaves."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        self._on_refusal(error.code)
        cycle, is_begun = self.cycle, False
        if cycle is not None:
            is_begun = cycle.response_started and self.conn.their_state is not h11.IDLE
            cycle.disconnected = True
            cycle.message_event.set()
        if not is_begun:
            self.transport.write(_answer(error, status=status, retry_after_s=self._patience.retry_after_s))
        self.transport.close()
        self._abort_soon()

    def _abort_soon(self) -> None:
        self.loop.call_later(_LAST_WORDS_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        self._awaited = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_answering(self) -> None:
        if self._answer_deadline is not None:
            self._answer_deadline.cancel()
            self._answer_deadline = None


class TlsServer:
    """Accepts connections that agree on keys first, each within its place from the start: the loop's own server tells of one
    only once it has agreed, and would hold any number of those that never do.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[], PatientProtocol],
        context: ssl.SSLContext,
        *,
        handshake_s: float,
    ) -> None:
        """On the running loop, from now on.

        Args:
            sockets: that listen, without blocking.
            make: makes the protocol of one connection.
            context: of the certificate.
            handshake_s: how long agreeing on keys may take.
        """
        self.sockets = sockets
        self._make, self._context, self._handshake_s = make, context, handshake_s
        self._loop = asyncio.get_running_loop()
        self._accepting = [self._loop.create_task(self._accept(one)) for one in sockets]
        self._agreeing = set[asyncio.Task[None]]()

    def close(self) -> None:
        """Accept nothing more; connections go on."""
        for task in self._accepting:
            task.cancel()
        for one in self.sockets:
            self._loop.remove_reader(one)
            one.close()

    async def wait_closed(self) -> None:
        """Return at once: ``close`` is all."""

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, address = await self._loop.sock_accept(listening)
            except ConnectionError:  # Who connected is gone.
                continue
            except OSError as error:  # No descriptor is free.
                complain("not accepted", kind=type(error).__name__)
                await asyncio.sleep(_NO_DESCRIPTOR_S)
                continue
            protocol = self._make()
            if protocol.take_place(str(address[0])):
                task = self._loop.create_task(self._agree(connection, protocol))
                self._agreeing.add(task)
                task.add_done_callback(self._agreeing.discard)
            else:
                connection.close()
                protocol.refuse()

    async def _agree(self, connection: socket.socket, protocol: PatientProtocol) -> None:
        with suppress(OSError):  # Who connected left, or agreed on nothing in time.
            await self._loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=self._context, ssl_handshake_timeout=self._handshake_s
            )
        if protocol not in protocol.connections:  # It was never told of one, nor will be of its loss.
            protocol.leave_place()


def _answer(error: CovidCTError, *, status: int | None, retry_after_s: int) -> bytes:
    """A problem as it goes over the wire, the last of its connection."""
    problem = problem_of(error)
    if status is not None:
        problem = problem.model_copy(update={"status": status})
    answer = problem_response(problem, words=ENGLISH, retry_after_s=retry_after_s, headers={"Connection": "close"})
    first = b"HTTP/1.1 %d %s" % (problem.status, STATUS_PHRASES[problem.status])
    lines = [first, *(b"%s: %s" % header for header in answer.raw_headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body)
