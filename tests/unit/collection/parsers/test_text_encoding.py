"""The time to decode text, valid or not, grows linearly with its size."""

from contextlib import suppress

import pytest

from functions.collection.parsers.text_encoding import decode_text
from headwater.errors import PermanentError
from tests.harness.adversarial.encodings import ENCODINGS
from tests.harness.growth import check_linear


@pytest.mark.parametrize("name", ENCODINGS)
def test_decoding_takes_linear_time(name: str) -> None:
    def decode(content: bytes) -> None:
        with suppress(PermanentError):
            decode_text(content)

    check_linear(decode, ENCODINGS[name])
