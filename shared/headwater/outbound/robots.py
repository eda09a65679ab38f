"""Read robots.txt (RFC 9309). It is untrusted input: call this in a process of its own."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

NAME = "Headwater"
MAX_ROBOTS_BYTES = 512_000
"""What of robots.txt is read (RFC 9309, 2.5)."""


def allowed(text: str, urls: Iterable[str]) -> list[bool]:
    """Return whether robots.txt allows each URL."""
    rules = parse_rules(text)
    return [bool(rules.can_fetch(url, NAME)) for url in urls]


@lru_cache(1)
def parse_rules(text: str) -> Any:
    """Return the rules of a text, as protego's object."""
    from protego import Protego

    return Protego.parse(text)
