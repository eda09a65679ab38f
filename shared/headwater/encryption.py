"""Encrypt the tokens of other servers that are stored in the database, with `SECRET_KEY`."""

from headwater.config import Settings
from headwater.errors import SystemicError, UnprocessableContent


def encrypt_token(token: str, settings: Settings) -> bytes:
    """Encrypt a token. Raises UnprocessableContent if the installation has no `SECRET_KEY`."""
    from cryptography.fernet import Fernet

    if not settings.secret_key:
        raise UnprocessableContent("Set SECRET_KEY on this installation first: it encrypts stored secrets.")
    return Fernet(settings.secret_key).encrypt(token.encode())


def decrypt_token(encrypted: bytes, settings: Settings) -> str:
    """Decrypt a stored token. Raises SystemicError if it was encrypted with another key."""
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return Fernet(settings.secret_key).decrypt(bytes(encrypted)).decode()
    except (InvalidToken, ValueError) as error:
        message = "The stored token can't be decrypted: SECRET_KEY has changed since. Enter the token again."
        raise SystemicError(message) from error
