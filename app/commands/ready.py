"""Whether the service beside it is ready: what the images' health check runs, twice a minute, so it imports little."""

import os
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection


def is_ready(port: int, *, over_tls: bool = False, timeout_s: float = 4.0) -> bool:
    """Whether ``/readyz`` on this machine answers 200; no proxy is asked, whatever the environment names.

    Whose certificate it is does not matter: nothing leaves the machine.
    """
    connection = _over_tls(port, timeout_s) if over_tls else HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _over_tls(port: int, timeout_s: float) -> HTTPSConnection:
    import ssl  # here, because most services do not speak it

    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection("127.0.0.1", port, timeout=timeout_s, context=anyone)


if __name__ == "__main__":
    own_port = int(os.environ.get("COVIDCT_PORT", "8000"))
    sys.exit(0 if is_ready(own_port, over_tls=bool(os.environ.get("COVIDCT_TLS_CERT"))) else 1)
