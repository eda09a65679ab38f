"""Make e-mail as mail programs write it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

START = datetime(2024, 5, 6, 9, 0, tzinfo=UTC)


def message(
    number: int,
    text: str,
    *,
    subject: str = "Pump 4",
    answers: Sequence[int] = (),
    html: str | None = None,
    files: Sequence[tuple[str, bytes, str]] = (),
    sender: str = "Ann Ash <ann@example.com>",
) -> bytes:
    """Return a message with the id of its number, in answer to others. `files` have a name, content and type."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = "team@example.com"
    mail["Subject"] = subject
    mail["Date"] = format_datetime(START + timedelta(hours=number))
    mail["Message-ID"] = f"<{number}@example.com>"
    if answers:
        mail["References"] = " ".join(f"<{one}@example.com>" for one in answers)
        mail["In-Reply-To"] = f"<{answers[-1]}@example.com>"
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    for name, content, media_type in files:
        main, _, sub = media_type.partition("/")
        mail.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return mail.as_bytes()
