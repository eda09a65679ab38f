"""Conversations of messages: by references, by subject, in circles, long ones; the keys of documents."""

import random
from itertools import pairwise

import pytest

from functions.collection.connectors.mail.messages import AttachedFile, Message, hash_id, read_headers
from functions.collection.connectors.mail.threads import MAX_MESSAGES, make_documents
from tests.harness.growth import check_linear

HOUR = 3600


def made(*messages: tuple[str, str, list[str]], hours: int = 1) -> dict[bytes, Message]:
    """Make messages, `hours` apart: their ids, subjects and references."""
    return {
        hash_id(one): Message(number * hours * HOUR, subject, tuple(map(hash_id, references)))
        for number, (one, subject, references) in enumerate(messages)
    }


def threads(messages: dict[bytes, Message]) -> list[str]:
    """Return the conversations as texts of ids."""
    names = {hash_id(one): one for one in "abcdefgh"}
    made = make_documents(messages, attachments=True, max_bytes=1_000)
    return sorted("".join(names[one] for one in thread.messages) for thread in made.threads.values())


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([("a", "Pump", []), ("b", "Re: Pump", ["a"]), ("c", "Lamp", []), ("d", "AW: Pump", ["a", "b"])], ["abd", "c"]),
        ([("b", "Re: Pump", ["a"]), ("c", "Re: Pump", ["a"])], ["bc"]),  # the first is missing
        ([("c", "Re: Pump", ["a", "b"]), ("d", "Re: Pump", ["b"])], ["cd"]),  # so is what leads to it
        ([("a", "Pump", []), ("b", "RE: pump", []), ("c", "Pump", [])], ["ab", "c"]),  # by subject
        ([("a", "", []), ("b", "Re:", [])], ["a", "b"]),
        ([("a", "x", ["b"]), ("b", "y", ["c"]), ("c", "z", ["a"])], ["abc"]),  # a circle
        ([("a", "x", []), ("b", "y", []), ("c", "z", ["a", "b"]), ("d", "x", ["a"])], ["ad", "bc"]),  # joins only one
    ],
)
def test_messages_are_sorted_into_conversations(
    messages: list[tuple[str, str, list[str]]], expected: list[str]
) -> None:
    found = made(*messages)
    assert threads(found) == expected
    shuffled = list(found.items())
    random.Random(1).shuffle(shuffled)
    assert threads(dict(shuffled)) == expected


def test_reply_without_references_joins_no_old_conversation() -> None:
    assert threads(made(("a", "Pump", []), ("b", "Re: Pump", []), hours=24 * 91)) == ["a", "b"]


def test_documents_depend_on_messages_only_and_long_conversations_have_several() -> None:
    names = [f"m{number}" for number in range(MAX_MESSAGES + 5)]
    messages = made((names[0], "Re: Größe & Co.", []), *((b, "Re: Größe", [a]) for a, b in pairwise(names)))
    documents = make_documents(messages, attachments=True, max_bytes=1_000)
    first = f"1970/01/größe-co-{hash_id('m0').hex()[:10]}"
    assert list(documents.threads) == [first, f"{first}-2"]
    before = {entry.key: entry.fingerprint for entry in documents.entries()}
    messages |= {hash_id("new"): Message(1_000_000, "Re: Größe", (hash_id(names[-1]),))}
    after = {e.key: e.fingerprint for e in make_documents(messages, attachments=True, max_bytes=1_000).entries()}
    assert before[first] == after[first]
    assert before[f"{first}-2"] != after[f"{first}-2"]


def test_attached_documents_have_keys_of_their_own() -> None:
    def file(section: str, name: str, size: int = 100) -> AttachedFile:
        return AttachedFile(section, name, "application/pdf", "base64", size)

    messages = {
        hash_id("a"): Message(
            0, "Plan", files=(file("2", "plan.pdf"), file("3", "logo.png"), file("4", "big.pdf", 9_999))
        ),
        hash_id("b"): Message(1, "Re: Plan", (hash_id("a"),), files=(file("2", "plan.pdf"),)),
    }
    documents = make_documents(messages, attachments=True, max_bytes=1_000)
    [thread] = documents.threads
    again = f"{thread}/plan-{hash_id('b').hex()[:8]}-2.pdf"
    assert list(documents.attachments) == [f"{thread}/plan.pdf", again]
    assert documents.skipped == [(f"{thread}/big.pdf", "the file has more than 1,000 bytes (MAX_FILE_BYTES)")]
    assert not make_documents(messages, attachments=False, max_bytes=1_000).attachments


def test_headers_are_read() -> None:
    header = (
        b"Message-ID: <a@x>\nReferences: <r1@x>\n <r2@x>\nIn-Reply-To: <r2@x>\nDate: Mon, 6 May 2024 09:00:00 +0200\n"
        b"Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe?= \x01\n of =?x-none?q?Pump?=\n\n"
    )
    message_id, message = read_headers(header, 5, 10)
    assert message_id == hash_id("a@x")
    assert message == Message(1_714_978_800, "Größe \x01 of Pump", (hash_id("r1@x"), hash_id("r2@x")))
    for broken in (b"", b"\0\xff", b"Date: Mon, 99 Foo 99999\nSubject: =?utf-8?b?=?=\n", b"Subject" * 2_000):
        assert read_headers(broken, 5, 10)[1].date == 5
    assert read_headers(b"Subject: x\n", 5, 10)[0] != read_headers(b"Subject: y\n", 5, 10)[0]


def test_sorting_is_linear() -> None:
    count = 20_000
    chain = {hash_id(f"m{n}"): Message(n, f"Re: x{n}", (hash_id(f"m{n - 1}"),)) for n in range(count)}
    assert len(make_documents(chain, attachments=True, max_bytes=1).threads) == count // MAX_MESSAGES


@pytest.mark.parametrize(
    "unit", ["=?a?q? ", "=?a?b?", "=?utf-8?q?a?= ", "=?", "?=", "<a@b>", "(", '"', "re: ", "é", "a "]
)
@pytest.mark.parametrize("name", ["Subject", "References", "Date", "Message-ID"])
def test_reading_headers_takes_linear_time(name: str, unit: str) -> None:
    check_linear(
        lambda header: read_headers(header, 0, 0),
        lambda size: f"{name}: {unit * (size // len(unit))}\n\n".encode(),
        largest=64_000,
    )


def test_encoded_subject_and_all_references_are_read() -> None:
    subject = "=?utf-8?q?" + "=C3=9F" * 20 + "?=\n " + "=?utf-8?b?w58=?= " * 3
    references = "".join(f"<{number}@a.example>\n " for number in range(1_000))
    _, message = read_headers(f"Subject: {subject}\nReferences: {references}\n\n".encode(), 0, 0)
    assert message.subject == "ß" * 23
    assert message.references[-1] == hash_id("999@a.example")
