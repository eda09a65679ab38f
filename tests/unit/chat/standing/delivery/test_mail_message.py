"""Mails: their headers and HTML have nothing of the answer that could act."""

import datetime as dt
import email
import email.policy
import uuid
from typing import Any

import pytest

from functions.chat.standing.delivery.answered import Answered, CitedSource
from functions.chat.standing.delivery.mail_html import to_html
from functions.chat.standing.delivery.mail_message import compose_mail

NOW = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)


def answered(**changes: Any) -> Answered:
    values: dict[str, Any] = {
        "run_id": uuid.UUID(int=1),
        "question_id": uuid.UUID(int=2),
        "name": "Compass",
        "question": "How?",
        "text": "With pip [1].",
        "notice": None,
        "sources": [CitedSource(1, "Install\n<b>", "javascript:alert(1)", None, None)],
        "conversation_id": "c1",
        "message_id": uuid.UUID(int=3),
        "app_url": None,
        "settings_url": None,
    }
    return Answered(**values | changes)


def composed(**changes: Any) -> Any:
    content = compose_mail(answered(**changes), "H <a@x.example>", "b@x.example", 0, NOW).as_bytes()
    return email.message_from_bytes(content, policy=email.policy.default)


@pytest.mark.parametrize("name", ["a\r\nBcc: eve@x.example", "a\0b\x1b[0m", "é" * 500, "\u2028x\u202e"], ids=repr)
def test_name_can_add_no_header(name: str) -> None:
    message = composed(name=name)
    assert message.keys() == [
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"),
    ]
    assert message["Subject"].isprintable()
    assert len(message["Subject"]) <= 150


def test_sources_link_to_http_only() -> None:
    message = composed(notice="It was <cut>.", app_url="https://app.example/chat/c1")
    html = message.get_body(("html",)).get_content()
    assert "<li>[1] Install &lt;b&gt;</li>" in html
    assert "javascript" not in html
    assert "It was &lt;cut&gt;." in html
    assert '<a href="https://app.example/chat/c1">' in html
    assert "[1] Install <b>\r\n" in message.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# A\n\nb [1][2]", '<h1>A</h1><p>b <a href="https://x.example/?a&amp;b">[1]</a>[2]</p>'),
        ("1. *a*\n2. **b** `c`", "<ol><li><em>a</em></li><li><strong>b</strong> <code>c</code></li></ol>"),
        ("| a |\n|---|\n| 1 |", "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"),
        ("![i](http://evil.example/x.png)", "<p>i</p>"),
        ("[a](javascript:alert)", "<p>a</p>"),
        ("[a](http://x.example/?a=1&b=2 't')", '<p><a href="http://x.example/?a=1&amp;b=2">a</a></p>'),
        ("[1](http://x.example)", '<p><a href="http://x.example">1</a></p>'),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a <img src=x onerror=y> b", "<p>a &lt;img src=x onerror=y&gt; b</p>"),
        ("```html\n<b>\n```", "<pre>&lt;b&gt;\n</pre>"),
        ("> q\n\n---", "<blockquote><p>q</p></blockquote><hr>"),
    ],
    ids=lambda text: text[:12],
)
def test_html_has_only_known_elements(markdown: str, html: str) -> None:
    assert to_html(markdown, {1: "https://x.example/?a&b"}) == html
