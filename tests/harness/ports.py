"""Free ports of 127.0.0.1 for servers that tests start, safe while other tests start theirs.

They lie below what systems give to outgoing connections, and are drawn at random: between a look and a server's start
nobody else takes them.
"""

import random
import socket

_FIRST, _LAST = 10_240, 32_000
_random = random.SystemRandom()


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(in_a_row: int = 1) -> int:
    """Find a port that nothing listens on, the first of so many."""
    while True:
        first = _random.randrange(_FIRST, _LAST)
        if all(map(is_free, range(first, first + in_a_row))):
            return first
