"""A Dovecot for the tests of mailboxes."""

from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet

from tests.harness.databases import FreshDatabase
from tests.harness.dovecot import Dovecot, TestMailbox, running_dovecot
from tests.harness.pipeline import Pipeline, running_pipeline


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot() as server:
        yield server


@pytest.fixture
def mailbox(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> TestMailbox:
    monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.root))
    return dovecot.mailbox()


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database, secret_key=Fernet.generate_key().decode()) as pipeline:
        yield pipeline
