"""The name under which a client saves a response."""

import pytest

from headwater.web.disposition import content_disposition


@pytest.mark.parametrize(
    ("name", "plain", "encoded"),
    [
        ("plan.md", "plan.md", "plan.md"),
        ("Pumpe \u00fc.md", "Pumpe u.md", "Pumpe%20%C3%BC.md"),
        ("\u6cf5.md", "_.md", "%E6%B3%B5.md"),
        ('a"b\\c%d\r\n.md', "a_b_c_d__.md", "a%22b%5Cc%25d%0D%0A.md"),
    ],
)
def test_name_is_sent_in_ascii_and_in_full(name: str, plain: str, encoded: str) -> None:
    assert content_disposition("inline", name) == f"inline; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
