"""A service account's key whose tokens come from a server of the test."""

import json
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def service_account_key(token_url: str) -> str:
    """Return a key as Google Cloud creates it, with another address for tokens."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "1",
            "private_key": _private_key(),
            "client_email": "chat@project.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": token_url,
        }
    )


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
