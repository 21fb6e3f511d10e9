"""Whether the service beside it is ready: what the images' health check runs, twice a minute, so it imports little."""

import os
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

_TIMEOUT_S = 4.0


def is_ready(port: int, *, over_tls: bool = False) -> bool:
    """Whether ``/readyz`` on this machine answers 200, over IPv4 or IPv6; no proxy is asked, whatever the environment names.

    Whose certificate it is does not matter: nothing leaves the machine.
    """
    return any(_answers(address, port, over_tls=over_tls) for address in ("127.0.0.1", "::1"))


def _answers(address: str, port: int, *, over_tls: bool) -> bool:
    connection = _over_tls(address, port) if over_tls else HTTPConnection(address, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _over_tls(address: str, port: int) -> HTTPSConnection:
    import ssl  # here, because most services do not speak it

    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(address, port, timeout=_TIMEOUT_S, context=anyone)


if __name__ == "__main__":
    own_port = int(os.environ.get("COVIDCT_PORT", "8000"))
    sys.exit(0 if is_ready(own_port, over_tls=bool(os.environ.get("COVIDCT_TLS_CERT"))) else 1)
