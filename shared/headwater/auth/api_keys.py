"""Create, check and hash API keys. Pure, standard library only.

A key is `hw_`, 32 random characters and a checksum of 6. With the checksum, the Worker and secret scanners recognise
invalid keys without a database. Only a key's hash is stored: 190 random bits need neither salt nor a slow hash.
"""

import hashlib
import re
import secrets
import zlib

PREFIX = "hw_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(r"hw_[0-9A-Za-z]{38}")


def make_key() -> str:
    """Return a new random key."""
    text = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(32))
    return text + checksum(text)


def checksum(text: str) -> str:
    """Return the checksum of a key's first 35 characters: CRC-32 in base 62, most significant digit first.

    `checksum("hw_" + 32 * "0") == "49HUhz"`; six digits hold any CRC-32, since 62^6 > 2^32.
    """
    number, digits = zlib.crc32(text.encode("ascii")), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits


def is_well_formed(key: str) -> bool:
    """Return True if the key has the right form and checksum."""
    return bool(_FORM.fullmatch(key)) and checksum(key[:-6]) == key[-6:]


def hash_key(key: str) -> bytes:
    """Return the SHA-256 of a key, the form in which it is stored."""
    return hashlib.sha256(key.encode("ascii")).digest()


def key_hint(key: str) -> str:
    """Return the first four random characters of a key, shown in lists."""
    return key[len(PREFIX) :][:4]
