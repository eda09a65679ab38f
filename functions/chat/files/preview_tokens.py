"""Make and read the tokens of previews: a version of a file, signed and encrypted, until the token expires. Pure."""

import base64
import hmac
import uuid
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

MAX_AGE_S = 900


class Shown(msgspec.Struct, frozen=True):
    """The version of a file that a token shows."""

    workspace_id: uuid.UUID
    version_id: uuid.UUID


def make_token(shown: Shown, secret_key: str, now: int) -> str:
    """Return a token that is valid for MAX_AGE_S from `now`, in seconds since 1970. Its length is always 140."""
    content = shown.workspace_id.bytes + shown.version_id.bytes
    return _cipher(secret_key).encrypt_at_time(content, now).decode()


def read_token(token: str, secret_key: str, now: int) -> Shown | None:
    """Return what a token shows, None if it was made with another key, was changed or has expired."""
    from cryptography.fernet import InvalidToken

    try:
        content = _cipher(secret_key).decrypt_at_time(token.encode(), MAX_AGE_S, now)
    except InvalidToken:
        return None
    return Shown(uuid.UUID(bytes=content[:16]), uuid.UUID(bytes=content[16:]))


def _cipher(secret_key: str) -> "Fernet":
    """Return the cipher of previews. Its key is derived, so that no stored secret can be taken for a token."""
    from cryptography.fernet import Fernet

    key = hmac.digest(base64.urlsafe_b64decode(secret_key), b"headwater preview", "sha256")
    return Fernet(base64.urlsafe_b64encode(key))
