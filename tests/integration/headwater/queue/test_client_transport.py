"""The transport of Google's clients in production."""

import json
import os
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PROGRAM = """
from functions.collection.runs.bulk import JobStarter
from headwater.config import Settings
from headwater.queue.tickets import Tickets
settings = Settings(database_url="unused")
tickets = Tickets(None, settings)
print(tickets._client.transport.kind, JobStarter(None, settings, tickets)._client.transport.kind)
"""


def write_service_account(path: Path) -> None:
    """Write a key file, from which the clients read their credentials offline."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"type": "service_account", "project_id": "p", "client_email": "a@p.iam.gserviceaccount.com"}
    path.write_text(json.dumps({**account, "private_key": pem, "token_uri": "https://oauth2.googleapis.com/token"}))


def test_clients_without_an_endpoint_use_rest(tmp_path: Path) -> None:
    write_service_account(tmp_path / "key.json")
    environment = os.environ | {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == ["rest", "rest"], done.stderr
