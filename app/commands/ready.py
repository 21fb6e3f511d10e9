"""Whether the service beside it is ready: what the images' health check runs, twice a minute, so it imports little."""

import os
import sys
from http.client import HTTPConnection, HTTPException


def is_ready(port: int, *, timeout_s: float = 4.0) -> bool:
    """Whether ``/readyz`` on this machine answers 200; no proxy is asked, whatever the environment names."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_ready(int(os.environ.get("COVIDCT_PORT", "8000"))) else 1)
