"""Readiness checks over HTTP."""

import asyncio
import json
from collections.abc import Awaitable, Callable

TIMEOUT_S = 10.0


def http_check(port: int, path: str) -> Callable[[int], Awaitable[str | None]]:
    """Return a check that passes when `GET path` on a local port returns 200.

    The check returns None when it passes, else the problem. Its argument, the service's process id, is ignored.
    """

    async def check(_pid: int) -> str | None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, body = await _get(port, path)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return "it doesn't answer"
        return None if status == 200 else f"GET {path} returned {status}: {_detail(body)}"

    return check


async def _get(port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n")
        rest = await reader.read(64_000)
    finally:
        writer.close()
    return int(head.split()[1]), rest.partition(b"\r\n\r\n")[2]


def _detail(body: bytes) -> str:
    """Return the `detail` of a problem response, else the beginning of the body."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip()
