"""Find free ports of 127.0.0.1 for the servers of parallel tests.

Ports are random and below the range of outgoing connections, so that no other process takes one before the server
starts.
"""

import random
import socket

_FIRST, _LAST = 10_240, 32_000
_random = random.SystemRandom()


def is_free(port: int) -> bool:
    """Return whether nothing listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(in_a_row: int = 1) -> int:
    """Return a free port, the first of `in_a_row` free ports."""
    while True:
        first = _random.randrange(_FIRST, _LAST)
        if all(map(is_free, range(first, first + in_a_row))):
            return first
