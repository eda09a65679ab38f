"""Files that only the user of localcloud can read: the token that clients send, and keys."""

import os
import secrets
import stat
from pathlib import Path


class PrivateFileError(Exception):
    """A secret's file can't be used. The message says why and what to do."""


def load_or_create_token(path: Path) -> str:
    """Return the token in a file, created with 32 random bytes if it is missing. Errors: PrivateFileError, OSError.

    A file that other users can read, or have written, is rejected.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private_file(path, secrets.token_urlsafe(32))
    with path.open(encoding="ascii", errors="replace") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise PrivateFileError(
                f"Other users may know the token in {path}. Delete the file to get a new one, or run `chmod 600` on it."
            )
        token = file.read().strip()
    if len(token) < 32 or not token.isascii():
        raise PrivateFileError(
            f"{path} must contain a token of at least 32 ASCII characters. Delete it to get a new one."
        )
    return token


def write_private_file(path: Path, text: str) -> None:
    """Write a new file with mode 0600, complete or not at all. Follows no symbolic link. Errors: OSError."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.rename(path)
    except BaseException:
        temporary.unlink()
        raise
