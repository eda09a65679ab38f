"""Files of known content."""

import hashlib
from pathlib import Path

from headwater.errors import ConfigError


def read_verified(path: Path, sha256: str) -> bytes:
    """Read a file; raises ConfigError if its SHA-256 differs."""
    content = path.read_bytes()
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ConfigError(f"{path} has an unexpected SHA-256: {actual} instead of {sha256}")
    return content
