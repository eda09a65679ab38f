"""Compose the mail with an answer: text and HTML, links into the web app, a Message-ID made of the run. Pure."""

import datetime as dt
from html import escape
from typing import TYPE_CHECKING

from functions.chat.standing.delivery.answered import Answered, CitedSource
from functions.chat.standing.delivery.mail_html import to_html

if TYPE_CHECKING:
    from email.message import EmailMessage

MAX_SUBJECT_CHARS = 150


def compose_mail(answered: Answered, sender: str, recipient: str, n: int, now: dt.datetime) -> "EmailMessage":
    """Return the mail to one recipient, the `n`-th of a run. It has the same Message-ID whenever it is sent."""
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import format_datetime

    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = _one_line(answered.name)[:MAX_SUBJECT_CHARS]
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{answered.run_id}.{n}@{domain_of(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    if answered.settings_url:
        message["List-Unsubscribe"] = f"<{answered.settings_url}>"
    message.set_content(_text(answered))
    message.add_alternative(_html(answered), subtype="html")
    return message


def domain_of(sender: str) -> str:
    """Return the domain of an address such as `Headwater <answers@example.com>`."""
    from email.utils import parseaddr

    return parseaddr(sender)[1].rpartition("@")[2]


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _text(answered: Answered) -> str:
    lines = [answered.text, *([f"({answered.notice})"] if answered.notice else [])]
    lines += [
        "\n".join(f"[{source.n}] {_one_line(source.title)} {_link(source)}".rstrip() for source in answered.sources)
    ]
    return "\n\n".join(line for line in [*lines, "\n".join(_footer(answered))] if line)


def _footer(answered: Answered) -> list[str]:
    lines = [f"Open the conversation: {answered.app_url}"] if answered.app_url else []
    end = f": {answered.settings_url}" if answered.settings_url else " in Headwater."
    return [
        *lines,
        f"This mail is the answer to the standing question “{_one_line(answered.name)}”. Change or stop it{end}",
    ]


def _html(answered: Answered) -> str:
    links = {source.n: link for source in answered.sources if (link := _link(source))}
    notice = f"<p><em>{escape(answered.notice)}</em></p>" if answered.notice else ""
    items = "".join(_item(source) for source in answered.sources)
    sources = f"<hr><ul>{items}</ul>" if items else ""
    opening = f'<a href="{escape(answered.app_url)}">Open the conversation</a><br>' if answered.app_url else ""
    stop = "Change or stop it"
    stop = f'<a href="{escape(answered.settings_url)}">{stop}</a>' if answered.settings_url else f"{stop} in Headwater"
    name = escape(_one_line(answered.name))
    footer = f"<hr><p>{opening}This mail is the answer to the standing question “{name}”. {stop}.</p>"
    body = f"{to_html(answered.text, links)}{notice}{sources}{footer}"
    return f'<!doctype html><html><head><meta charset="utf-8"><title>{name}</title></head><body>{body}</body></html>'


def _item(source: CitedSource) -> str:
    title, link = escape(_one_line(source.title)), _link(source)
    shown = f'<a href="{escape(link)}">{title}</a>' if link else title
    return f"<li>[{source.n}] {shown}</li>"


def _link(source: CitedSource) -> str:
    url = source.app_url or source.url or ""
    return url if url.startswith(("http://", "https://")) else ""
