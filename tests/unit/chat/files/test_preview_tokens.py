"""Tokens of previews: valid for a while, with the installation's key, as they were made."""

import base64
import uuid

import pytest
from cryptography.fernet import Fernet

from functions.chat.files.preview_tokens import MAX_AGE_S, Shown, make_token, read_token

KEY = Fernet.generate_key().decode()
SHOWN = Shown(uuid.uuid4(), uuid.uuid4())
NOW = 1_800_000_000


def test_token_shows_its_version_until_it_expires() -> None:
    token = make_token(SHOWN, KEY, NOW)
    assert len(token) == 140
    assert read_token(token, KEY, NOW) == read_token(token, KEY, NOW + MAX_AGE_S) == SHOWN
    assert read_token(token, KEY, NOW + MAX_AGE_S + 1) is None
    assert read_token(token, KEY, NOW - 3_600) is None, "made in the future"


def test_token_hides_the_workspace_from_the_page_that_can_read_its_address() -> None:
    assert SHOWN.workspace_id.bytes not in base64.urlsafe_b64decode(make_token(SHOWN, KEY, NOW))


@pytest.mark.parametrize("position", [0, 5, 20, 60, 100, 135])
def test_changed_token_is_invalid(position: int) -> None:
    token = make_token(SHOWN, KEY, NOW)
    other = "A" if token[position] != "A" else "B"
    assert read_token(token[:position] + other + token[position + 1 :], KEY, NOW) is None


@pytest.mark.parametrize("token", ["", "x", "ü" * 140, "\0", "A" * 200, "=" * 140, "gAAAAA"])
def test_text_that_is_no_token_is_invalid(token: str) -> None:
    assert read_token(token, KEY, NOW) is None


def test_token_of_another_installation_is_invalid() -> None:
    assert read_token(make_token(SHOWN, Fernet.generate_key().decode(), NOW), KEY, NOW) is None


def test_stored_secret_is_no_token() -> None:
    content = SHOWN.workspace_id.bytes + SHOWN.version_id.bytes
    stored = Fernet(KEY).encrypt_at_time(content, NOW).decode()
    assert read_token(stored, KEY, NOW) is None
