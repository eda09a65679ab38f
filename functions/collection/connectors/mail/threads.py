"""Sort messages into conversations, and name the documents that are made of them. Pure.

A message belongs to the conversation of the one that it answers, by `References` and `In-Reply-To`; a reply without
either to the newest conversation before it with the same subject. Messages that others refer to may be missing. What a
message says of others never joins two conversations, so that a stranger's message can't.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from posixpath import splitext
from typing import NamedTuple

from functions.collection.connectors.mail.messages import AttachedFile, Message
from headwater.connectors import Entry

MAX_MESSAGES = 100
"""Messages in one document: a longer conversation has several, of which most stay as they are when it grows."""
SUBJECT_DAYS = 90
"""A reply without references belongs to a conversation with its subject whose last message is not older."""
READ_SUFFIXES = frozenset(
    (
        *(".adoc", ".asciidoc", ".csv", ".docx", ".eml", ".epub", ".htm", ".html", ".ipynb", ".markdown", ".md"),
        *(".odp", ".ods", ".odt", ".org", ".pdf", ".pptx", ".rst", ".tsv", ".txt", ".xls", ".xlsx", ".zip"),
    )
)
"""Attached files that become documents. Others, such as pictures, are named in the conversation."""
_VERSION = b"1"
_DAY_S = 86_400
_SLUG_CHARS = 60

Messages = Mapping[bytes, Message]


class Thread(NamedTuple):
    """A conversation, or a part of a long one: its key and the ids of its messages, oldest first."""

    key: str
    messages: tuple[bytes, ...]


class Attachment(NamedTuple):
    """A file that becomes a document: its message and its place in it."""

    message: bytes
    file: AttachedFile


class Documents(NamedTuple):
    """The documents of a mailbox. `links` has the keys of a message's attachments by section."""

    threads: dict[str, Thread]
    attachments: dict[str, Attachment]
    links: dict[bytes, dict[str, str]]
    skipped: list[tuple[str, str]]

    def entries(self) -> Iterator[Entry]:
        """Yield what a listing has: the fingerprints depend on the messages only, wherever they are."""
        for thread in self.threads.values():
            linked = [key for one in thread.messages for key in self.links.get(one, {}).values()]
            content = b"".join(thread.messages) + "\n".join(linked).encode(errors="replace")
            yield Entry(thread.key, _hash(_VERSION, content), "multipart/digest")
        for key, (message, file) in self.attachments.items():
            yield Entry(key, _hash(_VERSION, message, file.section.encode(), str(file.size).encode()))


def make_documents(messages: Messages, *, attachments: bool, max_bytes: int) -> Documents:
    """Name the documents of messages. Files that have more than `max_bytes` are skipped."""
    documents = Documents({}, {}, {}, [])
    for ids in _sort_into_threads(messages):
        key = _thread_key(ids[0], messages[ids[0]])
        for number, start in enumerate(range(0, len(ids), MAX_MESSAGES), 1):
            part = key if number == 1 else f"{key}-{number}"
            documents.threads[part] = Thread(part, tuple(ids[start : start + MAX_MESSAGES]))
        if attachments:
            _add_attachments(documents, key, ids, messages, max_bytes)
    return documents


def _add_attachments(documents: Documents, key: str, ids: Iterable[bytes], messages: Messages, max_bytes: int) -> None:
    for message_id in ids:
        for file in messages[message_id].files:
            stem, suffix = splitext(file.name)
            if suffix.lower() not in READ_SUFFIXES:
                continue
            name = f"{key}/{file.name}"
            if name in documents.attachments:
                name = f"{key}/{stem}-{message_id.hex()[:8]}-{file.section}{suffix}"
            size = file.size * 3 // 4 if file.encoding == "base64" else file.size
            if size > max_bytes:
                documents.skipped.append((name, f"the file has more than {max_bytes:,} bytes (MAX_FILE_BYTES)"))
                continue
            documents.attachments[name] = Attachment(message_id, file)
            documents.links.setdefault(message_id, {})[file.section] = name


def _sort_into_threads(messages: Messages) -> Iterator[list[bytes]]:
    """Yield the ids of each conversation's messages, oldest first."""
    ordered = sorted(messages, key=lambda one: (messages[one].date, one))
    parents = _find_parents(ordered, messages)
    roots: dict[bytes, bytes] = {}
    threads: dict[bytes, list[bytes]] = {}
    newest: dict[str, bytes] = {}
    for one in ordered:
        message = messages[one]
        root = _root(one, parents, roots)
        subject = message.base_subject.casefold()
        if root == one and not message.references and message.is_reply and subject in newest:
            other = newest[subject]
            if messages[threads[other][-1]].date >= message.date - SUBJECT_DAYS * _DAY_S:
                roots[one] = root = other
        threads.setdefault(root, []).append(one)
        if subject:
            newest[subject] = root
    yield from threads.values()


def _find_parents(ordered: Iterable[bytes], messages: Messages) -> dict[bytes, bytes]:
    """Return what each message answers. The references of the oldest message tell it of messages that are missing."""
    parents: dict[bytes, bytes] = {}
    for one in ordered:
        chain = [*messages[one].references, one]
        for before, after in pairwise(chain):
            if after == one or after not in messages:
                parents.setdefault(after, before)
    return parents


def _root(one: bytes, parents: Mapping[bytes, bytes], roots: dict[bytes, bytes]) -> bytes:
    """Return the first message of a conversation; of messages that answer each other in a circle, the least."""
    path: dict[bytes, None] = {}
    while one not in roots and one not in path:
        path[one] = None
        if one not in parents:
            break
        one = parents[one]
    if one in roots:
        root = roots[one]
    elif one in parents:
        steps = list(path)
        root = min(steps[steps.index(one) :])
    else:
        root = one
    roots.update(dict.fromkeys(path, root))
    return root


def _thread_key(message_id: bytes, message: Message) -> str:
    """Return the key of the conversation that a message begins, such as `2024/05/pump-4-9f0c2a1b7d`."""
    plain = unicodedata.normalize("NFKC", message.base_subject).lower()
    slug = re.sub(r"[^\w]+", "-", plain).strip("-_")[:_SLUG_CHARS].rstrip("-_") or "no-subject"
    return f"{datetime.fromtimestamp(message.date, UTC):%Y/%m}/{slug}-{message_id.hex()[:10]}"


def _hash(*parts: bytes) -> str:
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:40]
