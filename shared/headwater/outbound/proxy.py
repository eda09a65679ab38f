"""Connect through an HTTP proxy to an address that was checked before."""

from base64 import b64encode
from urllib.parse import unquote, urlsplit

from headwater.outbound.sockets import LimitedSocket, create_connection

_MAX_ANSWER_BYTES = 16_384


def open_tunnel(proxy: str, address: str, port: int, timeout: float | None) -> LimitedSocket:
    """Open a tunnel to an IP address and port (RFC 9110, 9.3.6). Raises OSError if the proxy refuses it.

    `proxy` is the URL of an http proxy, with user name and password if it needs them.
    """
    parts = urlsplit(proxy)
    sock = create_connection((parts.hostname or "", parts.port or 3128), timeout)
    try:
        target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if parts.username:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {b64encode(user.encode()).decode()}")
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        status = _read_answer(sock).partition(b"\r\n")[0].split(b" ", 2)
        if len(status) < 2 or status[1] != b"200":
            reason = b" ".join(status[1:])[:100].decode("ascii", "replace") or "no HTTP answer"
            raise OSError(f"the proxy refused the connection ({reason})")
    except BaseException:
        sock.close()
        raise
    return sock


def _read_answer(sock: LimitedSocket) -> bytes:
    """Read the head of the proxy's answer, byte by byte: what follows it is the server's."""
    answer = bytearray()
    while not answer.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte or len(answer) >= _MAX_ANSWER_BYTES:
            raise OSError("the proxy sent no complete answer")
        answer += byte
    return bytes(answer)
