"""Measure how long collecting a mailbox of thousands of messages takes: from nothing, unchanged, and renumbered.

    python -m bench.mailbox [--messages N]

A Dovecot on loopback has two folders of conversations with four messages each, every tenth message with a file. Before
the last run, a folder gets another UIDVALIDITY and a new message. One worker with the constant embedder collects.
"""

import argparse
import os
import resource
import time
from collections import Counter

from cryptography.fernet import Fernet

from bench.cold_start import free_port
from functions.collection.runs.read import Run
from scripts.local.postgres import temporary_cluster
from tests.fakes.mail_messages import message
from tests.harness.databases import TEMPLATE, cluster_folder, describe, make_template
from tests.harness.dovecot import PASSWORD, TestMailbox, running_dovecot
from tests.harness.pipeline import Pipeline, running_pipeline

REPLIES = 4


def main() -> None:
    """Collect the mailbox four times and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    options = parser.parse_args()
    with (
        cluster_folder() as folder,
        temporary_cluster(folder, free_port()) as cluster,
        running_dovecot() as server,
    ):
        make_template(cluster)
        mailbox = server.mailbox()
        mailbox.create("Archive")
        os.environ["SSL_CERT_FILE"] = str(server.root)
        fill(mailbox, options.messages)
        with running_pipeline(describe(cluster, TEMPLATE), secret_key=Fernet.generate_key().decode()) as pipeline:
            config = {"host": "localhost", "port": server.tls_port, "user": mailbox.user}
            source = pipeline.add_source(None, PASSWORD, kind="mail", **config)
            for label in ("from nothing", "unchanged", "one new message", "renumbered, one new message"):
                if "renumbered" in label:
                    mailbox.renumber()
                if "new" in label:
                    number = options.messages + len(label)
                    mailbox.deliver(message(number, f"Message {number}", subject=f"Topic {number}"))
                began = time.monotonic()
                run = pipeline.collect(source)
                report(label, pipeline, mailbox, run, time.monotonic() - began)


def fill(mailbox: TestMailbox, count: int) -> None:
    """Deliver messages of conversations."""
    for number in range(count):
        first = number - number % REPLIES
        text = f"Message {number} tells that pump {number} of yard {first} runs well. " * 5
        answers = range(first, number)
        subject = f"{'Re: ' if answers else ''}Topic {first}"
        files = [(f"note{number}.md", f"# Note {number}\n\nText {number}".encode(), "text/markdown")]
        content = message(number, text, subject=subject, answers=answers, files=files if number % 10 == 0 else ())
        mailbox.deliver(content, ("INBOX", "Archive")[first % 3 == 0])


def report(label: str, pipeline: Pipeline, mailbox: TestMailbox, run: Run, seconds: float) -> None:
    """Print the time of a run, its counts, its commands, and the peak of memory so far."""
    counts = run.counts
    done = f"{counts.added:,} added, {counts.changed:,} changed, {counts.removed:,} removed, "
    done += f"{counts.unchanged:,} unchanged, {counts.embedded:,} texts embedded"
    verbs = Counter(
        " ".join(command.upper().split()[:2][: 1 + command.upper().startswith("UID")])
        for command in (mailbox.take_commands())
    )
    commands = ", ".join(f"{number:,} × {verb}" for verb, number in verbs.most_common())
    [(listing_s,)] = pipeline.rows(
        "select sum(extract(epoch from finished_at - started_at)) from steps where run_id = :run_id and kind = 'list'",
        run_id=run.id,
    )
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    times = f"{seconds:.1f} s, of which listing {listing_s:.1f} s"
    print(f"{label}: {times}; {run.state}; {done}; commands: {commands}; {megabytes} MB", flush=True)


if __name__ == "__main__":
    main()
