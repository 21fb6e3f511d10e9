"""Who asks: what the door found out about a request, as handlers get it."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.keys import Key

SESSION = "covidct-session"
"""The cookie of a browser that is signed in."""


@dataclass(frozen=True)
class Caller:
    """Someone who may come in.

    Attributes:
        key: what was shown; None only where the service has no keys, and is open.
        client: the address asked from.
        csrf: what forms of a signed-in browser carry; None where nobody is signed in.
    """

    key: Key | None
    client: str
    csrf: str | None = None

    @property
    def owner(self) -> int | None:
        """Whose exams are sent and seen; None means everybody's, in a service that is open."""
        return None if self.key is None else self.key.id

    @property
    def name(self) -> str:
        """One for each key, or each address where there are no keys."""
        return f"client {self.client}" if self.key is None else f"key {self.key.id}"

    def may_see(self, owner: int | None) -> bool:
        """Whether what is ``owner``'s is shown."""
        return self.key is None or self.key.id == owner


def csrf_of(session: str) -> str:
    """What forms of a session carry: it follows from the session's token, which no other site can read, and not the other way."""
    return hashlib.sha256(f"csrf\n{session}".encode()).hexdigest()


def caller_of(request: Request) -> Caller | None:
    """Who asks; None on the few pages that are shown to anybody."""
    found = getattr(request.state, "caller", None)
    assert found is None or isinstance(found, Caller)
    return found


async def _caller(request: Request) -> Caller:
    found = caller_of(request)
    assert found is not None, "the door let in nobody"
    return found


Asking = Annotated[Caller, Depends(_caller)]
