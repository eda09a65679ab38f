"""Media types of files, by name and content."""

import pytest

from functions.collection.connectors.media_types import media_type


@pytest.mark.parametrize(
    ("key", "content", "expected"),
    [
        ("a/README.MD", b"", "text/markdown"),
        ("a.mdx", b"", "text/markdown"),
        ("a.rst", b"", "text/x-rst"),
        ("LICENSE", b"text", "text/plain"),
        ("a.ts", b"let a", "text/x-typescript"),
        ("a.bin", b"\x00\x01", "application/octet-stream"),
    ],
)
def test_media_type_depends_on_the_name_then_on_the_bytes(key: str, content: bytes, expected: str) -> None:
    assert media_type(key, content) == expected
