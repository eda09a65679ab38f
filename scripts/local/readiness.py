"""Readiness: a port and a path flow in, `None` or what is still wrong flows out. Keepers ask until it is `None`."""

import asyncio
import json
from collections.abc import Awaitable, Callable

TIMEOUT_S = 10.0


def answers(port: int, path: str) -> Callable[[int], Awaitable[str | None]]:
    """Make a probe that is content once `GET path` on this machine's port is answered with 200."""

    async def probe(_pid: int) -> str | None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, body = await _get(port, path)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return "doesn't answer"
        return None if status == 200 else f"GET {path}: {status} {_detail(body)}"

    return probe


async def _get(port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n")
        answer = await reader.read(64_000)
    finally:
        writer.close()
    return int(head.split()[1]), answer.partition(b"\r\n\r\n")[2]


def _detail(body: bytes) -> str:
    """Give the `detail` of problem details, or as much of anything else as fits a line."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip()
