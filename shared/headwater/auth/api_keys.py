"""API keys: how one looks, is made, and is kept. Pure, and nothing but the standard library.

`hw_`, 32 random characters, and a checksum of 6, so that whoever is in front of a database (the Worker, a scanner for
leaked secrets) can tell a key from junk. Only the hash of a key is stored: 190 random bits need no salt and no slow
hash.
"""

import hashlib
import re
import secrets
import zlib

PREFIX = "hw_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(r"hw_[0-9A-Za-z]{38}")


def make_key() -> str:
    """Make a new key."""
    text = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(32))
    return text + checksum(text)


def checksum(text: str) -> str:
    """Return the checksum of what stands before it, prefix included: CRC-32 in base 62, the highest digit first.

    `checksum("hw_" + 32 * "0") == "49HUhz"`; six digits hold any CRC-32, since 62^6 > 2^32.
    """
    number, digits = zlib.crc32(text.encode("ascii")), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits


def is_well_formed(key: str) -> bool:
    """Tell whether a key may exist at all."""
    return bool(_FORM.fullmatch(key)) and checksum(key[:-6]) == key[-6:]


def hash_key(key: str) -> bytes:
    """Return what is stored of a key: SHA-256 of its text."""
    return hashlib.sha256(key.encode("ascii")).digest()


def key_hint(key: str) -> str:
    """Return the part of a key by which people tell theirs apart: the first four random characters."""
    return key[len(PREFIX) :][:4]
