"""The contexts of TLS clients."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.outbound.guarded_http import shared_tls_context
from headwater.outbound.sockets import tls_context


@pytest.mark.parametrize("context", [tls_context, shared_tls_context])
def test_certificates_are_loaded_once_for_their_path(
    context: Callable[[], ssl.SSLContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = context()
    assert context() is first
    assert (first.verify_mode, first.check_hostname) == (ssl.CERT_REQUIRED, True)
    own = tmp_path / "own.pem"
    own.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert context() is not first
    monkeypatch.undo()
    assert context() is first
