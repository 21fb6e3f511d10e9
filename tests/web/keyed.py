"""Keys on a running service's data folder, made and shown as an operator and a reader would."""

import re
from datetime import UTC, datetime
from pathlib import Path

import httpx

from app.keys import keys_in


def a_key(data_dir: Path, name: str = "ward") -> str:
    """The secret of a new key."""
    with keys_in(data_dir) as keys:
        return keys.add(name, now=datetime.now(UTC))[1]


def revoked(data_dir: Path, key_id: int) -> None:
    with keys_in(data_dir) as keys:
        assert keys.revoke(key_id, now=datetime.now(UTC))


def shown(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def sign_in(client: httpx.AsyncClient, secret: str) -> str:
    """Sign the client in as a browser; returns what its forms carry."""
    answer = await client.post("/covid/sign-in", data={"key": secret})
    assert answer.status_code == 303
    page = (await client.get("/covid")).text
    found = re.search(r'<meta name="csrf" content="([0-9a-f]{64})">', page)
    assert found
    return found[1]
