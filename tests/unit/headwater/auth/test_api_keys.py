"""The format of API keys; the Worker checks the same format."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from headwater.auth.api_keys import checksum, hash_key, is_well_formed, key_hint, make_key


def test_checksum_matches_the_docstring_example() -> None:
    assert checksum("hw_" + 32 * "0") == "49HUhz"


def test_make_key_returns_unique_well_formed_keys() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(is_well_formed(key) and len(key) == 41 for key in keys)


@given(st.integers(3, 40), st.sampled_from("0aZ_- é"))
def test_is_well_formed_rejects_one_changed_character(place: int, character: str) -> None:
    key = make_key()
    changed = key[:place] + character + key[place + 1 :]
    assert is_well_formed(changed) == (changed == key)


def test_is_well_formed_rejects_other_formats() -> None:
    key = make_key()
    for wrong in ("", "hw_", key[:-1], key + "0", key.upper(), f" {key}", f"{key}\n", "sk_" + key[3:]):
        assert not is_well_formed(wrong)


def test_key_is_stored_as_sha256_and_four_characters() -> None:
    key = make_key()
    assert hash_key(key) == hashlib.sha256(key.encode()).digest()
    assert key_hint(key) == key[3:7]
