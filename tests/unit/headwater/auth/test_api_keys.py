"""The form of API keys, which the Worker checks by the same rule."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from headwater.auth.api_keys import checksum, hash_key, is_well_formed, key_hint, make_key


def test_the_checksum_is_that_of_the_worked_example() -> None:
    assert checksum("hw_" + 32 * "0") == "49HUhz"


def test_a_key_that_was_made_is_well_formed_and_like_no_other() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(is_well_formed(key) and len(key) == 41 for key in keys)


@given(st.integers(3, 40), st.sampled_from("0aZ_- é"))
def test_a_key_with_one_character_changed_is_refused(place: int, character: str) -> None:
    key = make_key()
    changed = key[:place] + character + key[place + 1 :]
    assert is_well_formed(changed) == (changed == key)


def test_what_has_another_form_is_refused() -> None:
    key = make_key()
    for wrong in ("", "hw_", key[:-1], key + "0", key.upper(), f" {key}", f"{key}\n", "sk_" + key[3:]):
        assert not is_well_formed(wrong)


def test_only_the_hash_and_a_hint_are_kept_of_a_key() -> None:
    key = make_key()
    assert hash_key(key) == hashlib.sha256(key.encode()).digest()
    assert key_hint(key) == key[3:7]
