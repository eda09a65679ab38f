"""Types that contents are sent with: pictures are pictures, all else is a download."""

import pytest

from functions.chat.files.media_types import OTHER, media_type, safe_type

PNG = b"\x89PNG\r\n\x1a\n..."


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.png", PNG, "image/png"),
        ("charts/A.PNG", PNG, "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.gif", b"GIF89a", "image/gif"),
        ("a.png", b"<script>alert(1)</script>", OTHER),
        ("a.html", b"<script>alert(1)</script>", OTHER),
        ("a.svg", b"<svg onload='alert(1)'/>", OTHER),
        ("a.js", b"alert(1)", OTHER),
        ("a.pdf", b"%PDF", OTHER),
        ("a", PNG, OTHER),
        ("a.png", b"", OTHER),
    ],
)
def test_only_pictures_are_sent_with_their_type(path: str, content: bytes, kind: str) -> None:
    assert safe_type(path, content) == kind


def test_types_are_named_by_the_ending() -> None:
    assert media_type("a/b.csv") == "text/csv"
    assert media_type("a.png/b") == OTHER
