"""Collecting mailboxes of a Dovecot: conversations, attachments, moves, deletions, UIDVALIDITY, dying workers."""

import datetime as dt
import uuid
from typing import Any

import pytest

from functions.collection.connectors.registry import SourceReader, kind_for_new_source
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from functions.collection.sources.sources import Source
from headwater.connectors import Period
from headwater.errors import UnprocessableContent
from tests.fakes.mail_messages import message
from tests.harness.dovecot import PASSWORD, TestMailbox
from tests.harness.dying_workers import die_everywhere
from tests.harness.pipeline import Pipeline

QUESTION = "Which pump do we order for the north yard? The old one leaks.\n"
ANSWER = """Order the P-4 from Miller.

On Mon, 6 May 2024 at 10:00, Ann wrote:
> Which pump do we order for the
> north yard? The old one leaks.
"""
OFFER = b"# Offer\n\nThe pump P-4 costs 900 euros.\n"


def add_mailbox(pipeline: Pipeline, mailbox: TestMailbox, **config: Any) -> Source:
    config = {"host": "localhost", "port": mailbox.server.tls_port, "user": mailbox.user, **config}
    return pipeline.add_source(None, PASSWORD, kind="mail", **config)


def texts(pipeline: Pipeline) -> dict[str, str]:
    return {
        key.rpartition("/")[2]: text
        for key, text in pipeline.rows("select key, text from documents where deleted_at is null")
    }


def test_conversation_is_a_document_without_what_its_messages_quote(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    mailbox.deliver(message(1, QUESTION))
    offer = [("offer.md", OFFER, "text/markdown"), ("logo.png", b"\x89PNG", "image/png")]
    mailbox.create("Projects.Pumps")
    mailbox.deliver(message(2, ANSWER, subject="Re: Pump 4", answers=[1], files=offer), "Projects.Pumps")
    run = pipeline.collect(add_mailbox(pipeline, mailbox))
    assert (run.state, run.counts.added) == ("succeeded", 2)
    [(key, title, text, front_matter)] = pipeline.rows(
        "select key, title, text, front_matter from documents where media_type = 'multipart/digest'"
    )
    assert key.startswith("2024/05/pump-4-")
    assert title == "Pump 4"
    folder = key.rpartition("/")[2]
    assert text == (
        "# Pump 4\n\n## Ann Ash, 2024-05-06 10:00\n\nWhich pump do we order for the north yard? The old one leaks.\n\n"
        "## Ann Ash, 2024-05-06 11:00\n\nOrder the P-4 from Miller.\n\nAttachments:\n\n"
        f"- [offer.md]({folder}/offer.md) (text/markdown)\n- logo.png (image/png)"
    )
    assert front_matter["messages"] == 2
    assert texts(pipeline)["offer.md"] == OFFER.decode()
    assert pipeline.links() == [(key, f"{key}/offer.md")]


def test_unchanged_mailbox_costs_a_command_for_each_folder(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    mailbox.create("Projects")
    for number in range(3):
        mailbox.deliver(message(number, f"Text {number}"), ("INBOX", "Projects")[number % 2])
    source = add_mailbox(pipeline, mailbox)
    pipeline.collect(source)
    mailbox.take_commands()
    run = pipeline.collect(source)
    assert (run.state, run.counts.listed, run.counts.unchanged, run.counts.embedded) == ("succeeded", 3, 3, 0)
    verbs = [command.split(" ", 1)[0].upper() for command in mailbox.take_commands()]
    assert [verb for verb in verbs if verb not in ("CAPABILITY", "LOGOUT")] == ["LIST", "STATUS", "STATUS"]


def test_message_that_the_server_cannot_open_spoils_no_other(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    for number in range(12):
        mailbox.deliver(message(number, f"Text {number}", subject=f"Subject {number}"))
    mailbox.forbid(mailbox.deliver(message(12, "This is never read.", subject="Lost")))
    source = add_mailbox(pipeline, mailbox)
    run = pipeline.collect(source)
    assert (run.state, run.counts.added) == ("succeeded", 12)
    [(key, reason)] = pipeline.rows("select key, warning from run_items where action = 'skipped'")
    assert key.startswith("INBOX/unreadable-")
    assert "the message can't be read: localhost" in reason


def test_text_that_the_server_cannot_open_spoils_no_other(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    mailbox.deliver(message(0, "First text.", subject="Pump"))
    answer = mailbox.deliver(message(1, "Second text.", subject="Re: Pump", answers=[0]))
    alone = mailbox.deliver(message(2, "Third text.", subject="Valve"))
    mailbox.deliver(message(3, "Fourth text.", subject="Motor"))
    reader = open_mailbox(pipeline, mailbox)
    listing = reader.list(None, frozenset())
    for name in (answer, alone):
        mailbox.forbid(name)
    files = {
        file.key.split("/")[-1].partition("-")[0]: file for file in reader.fetch(listing.snapshot, listing.entries)
    }
    assert "The message can't be read: localhost" in str(files["valve"].error)
    assert b"Fourth text." in (files["motor"].content or b"")
    pump = files["pump"].content or b""
    shown = [text in pump for text in (b"First text.", b"Second text.", b"X-Headwater-Warning: ")]
    assert shown == [True, False, True]


def test_new_uid_validity_fetches_and_embeds_nothing_again(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    for number in range(10):
        mailbox.deliver(message(number, f"Text {number}", subject=f"Subject {number}"))
    source = add_mailbox(pipeline, mailbox)
    assert pipeline.collect(source).counts.added == 10
    before = pipeline.contents()
    mailbox.renumber()
    mailbox.deliver(message(10, "Text 10", subject="Subject 10"))
    mailbox.take_commands()
    run = pipeline.collect(source)
    assert (run.counts.added, run.counts.changed, run.counts.removed, run.counts.unchanged) == (1, 0, 0, 10)
    fetched = [command for command in mailbox.take_commands() if "BODY.PEEK[1]" in command]
    assert len(fetched) == 1
    assert [one for one in pipeline.contents()[0] if "Subject 10" not in one[1]] == before[0]


def test_deleted_messages_are_removed_and_moved_ones_stay(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    mailbox.create("Archive")
    names = [mailbox.deliver(message(number, f"Text {number}", subject=f"Topic {number}")) for number in range(3)]
    source = add_mailbox(pipeline, mailbox)
    pipeline.collect(source)
    mailbox.remove(names[0])
    mailbox.move(names[1], "INBOX", "Archive")
    run = pipeline.collect(source)
    assert (run.counts.removed, run.counts.unchanged, run.counts.added, run.counts.changed) == (1, 2, 0, 0)
    assert len(pipeline.live_keys()) == 2


def test_messages_that_move_between_listing_and_fetching_are_found(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    mailbox.create("Archive")
    names = [mailbox.deliver(message(number, f"Text {number}", subject=f"Topic {number}")) for number in range(4)]
    source = add_mailbox(pipeline, mailbox)
    run_id = pipeline.start(source)
    pipeline.step("collection")  # lists
    mailbox.move(names[1], "INBOX", "Archive")
    mailbox.remove(names[2])
    mailbox.renumber()
    pipeline.drain()
    assert pipeline.read(run_id).state == "partial"
    stored = [text for text in texts(pipeline).values() if text]
    assert sorted(text[-6:] for text in stored) == ["Text 0", "Text 1", "Text 3"]
    assert pipeline.collect(source).state == "succeeded"
    assert len(pipeline.live_keys()) == 3


def test_folders_are_chosen_and_trash_is_left_out(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    for folder in ("Trash", "Spam", "Projects", "Projects.Pumps", "Bücher & Co"):
        mailbox.create(folder if folder.isascii() else "B&APw-cher &- Co")
    for number, folder in enumerate(("INBOX", "Trash", "Spam", "Projects", "Projects.Pumps", "B&APw-cher &- Co")):
        mailbox.deliver(message(number, folder, subject=f"Topic {number}"), folder)
    for config, expected in (
        ({}, {0, 3, 4, 5}),
        ({"folders": ["Projects/**"]}, {4}),
        ({"folders": ["INBOX", "Trash", "B*"]}, {0, 1, 5}),
        ({"exclude": ["Projects", "INBOX"]}, {4, 5}),
    ):
        source = add_mailbox(pipeline, mailbox, **config)
        pipeline.collect(source)
        rows = pipeline.rows("select title from documents where source_id = :id", id=source.id)
        assert {int(title[-1]) for (title,) in rows} == expected, config


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_check_logs_in(security: str, pipeline: Pipeline, mailbox: TestMailbox) -> None:
    port = mailbox.server.tls_port if security == "tls" else mailbox.server.port
    check(pipeline, mailbox, security=security, port=port)


def test_check_says_what_is_wrong(pipeline: Pipeline, mailbox: TestMailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for secret, config, reason in (
        ("wrong", {}, r"localhost refuses the login .*Check the user and password\. Many providers need an app"),
        (PASSWORD, {"folders": ["Nowhere"]}, r"config\.folders: no folder of the mailbox matches\. It has: INBOX"),
        (PASSWORD, {"port": 1}, r"localhost cannot be reached on port 1 \(Connection refused\)\. Check"),
        (PASSWORD, {"host": "127.0.0.1"}, "certificate of 127.0.0.1 is not valid"),
        ("", {}, "needs a password"),
        ('{"a": 1}', {}, "not a JSON object with refresh_token"),
    ):
        with pytest.raises(UnprocessableContent, match=reason):
            check(pipeline, mailbox, secret=secret, **config)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(UnprocessableContent, match="certificate of localhost is not valid"):
        check(pipeline, mailbox)


@pytest.mark.parametrize(
    ("since", "subjects"),
    [
        (None, ["old", "same", "new"]),
        ("2024-03-05", ["same", "new"]),
        ("2024-03-06", ["new"]),
        ("2024-03-08", []),
    ],
)
def test_messages_that_arrived_before_since_are_left_out(
    since: str | None, subjects: list[str], pipeline: Pipeline, mailbox: TestMailbox
) -> None:
    for number, subject in enumerate(("old", "same", "new")):  # all were written on another day
        arrived = dt.datetime(2024, 3, 4 + number, 12, tzinfo=dt.UTC)
        mailbox.deliver(message(number, f"Text {number}", subject=subject), arrived=arrived)
    listing = open_mailbox(pipeline, mailbox, since=since).list(None, frozenset())
    assert {entry.key.rpartition("/")[2].partition("-")[0] for entry in listing.entries} == set(subjects)


def test_backfill_lists_conversations_of_some_days(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    for number in (0, 24, 48):  # hours, so one a day
        mailbox.deliver(message(number, f"Text {number}", subject=f"Topic {number}"))
    day = dt.date(2024, 5, 7)
    listing = open_mailbox(pipeline, mailbox, period=Period(day, day)).list(None, frozenset())
    assert [entry.key[:16] for entry in listing.entries] == ["2024/05/topic-24"]


def test_workers_that_die_lose_and_double_no_message(pipeline: Pipeline, mailbox: TestMailbox) -> None:
    source = add_mailbox(pipeline, mailbox)
    mailbox.create("Archive")
    for number in range(3):
        name = mailbox.deliver(message(number, f"Text {number}", subject=f"Topic {number}"))
        mailbox.deliver(message(100 + number, "More", subject="Re: Topic 0", answers=[0]))
        pipeline.start(source)
        die_everywhere(pipeline)
    mailbox.move(name, "INBOX", "Archive")
    mailbox.renumber()
    pipeline.start(source)
    die_everywhere(pipeline)
    written = "".join(texts(pipeline).values())
    assert [written.count(one) for one in ("Text 0", "Text 1", "Text 2", "More")] == [1, 1, 1, 3]
    assert len(pipeline.live_keys()) == 3


def check(pipeline: Pipeline, mailbox: TestMailbox, *, secret: str = PASSWORD, **config: Any) -> None:
    open_mailbox(pipeline, mailbox, secret=secret, **config).check()


def open_mailbox(
    pipeline: Pipeline, mailbox: TestMailbox, *, secret: str = PASSWORD, period: Period | None = None, **config: Any
) -> SourceReader:
    config = {"host": "localhost", "port": mailbox.server.tls_port, "user": mailbox.user, **config}
    normalised = kind_for_new_source("mail").normalise(config)
    credentials = Credentials(uuid.uuid4(), "mail", normalised, secret or None, None, period=period)
    return SourceOpener(pipeline.settings).open(credentials)
