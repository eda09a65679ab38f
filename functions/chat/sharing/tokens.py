"""Make and hash the tokens of share links. Pure, standard library only.

A token is `hws_` and 32 random characters: 190 random bits need neither salt nor a slow hash. The web app puts it into
the fragment of the link's address, which browsers don't send, so that no server logs it.
"""

import hashlib
import re
import secrets

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile("hws_[0-9A-Za-z]{32}")


def make_token() -> str:
    """Return a new random token."""
    return "hws_" + "".join(secrets.choice(_ALPHABET) for _ in range(32))


def hash_token(token: str) -> bytes | None:
    """Return the SHA-256 of a token, the form in which it is stored. None if it has not the form of a token."""
    return hashlib.sha256(token.encode("ascii")).digest() if _FORM.fullmatch(token) else None
