"""Clients of answers that are cut off and come back, and the delivery of tickets meanwhile."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.harness.chat_app import ChatApp, StreamEvent, parse_events


@contextmanager
def delivering(*apps: ChatApp) -> Iterator[None]:
    """Let a thread of each instance deliver the tickets of the queue, as Cloud Tasks does, until the block ends."""
    over = threading.Event()

    def deliver(app: ChatApp) -> None:
        while not over.wait(0.05):
            app.drain()

    threads = [threading.Thread(target=deliver, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join(60)


class ResumingReader:
    """A client that keeps what it has read. `continues`: it sends its last event's number when it comes back."""

    def __init__(self, conversation_id: str, *, continues: bool) -> None:
        self.conversation_id = conversation_id
        self.continues = continues
        self.text = ""
        self.last = 0
        self.end = ""

    def read(self, chunks: Iterable[bytes], events: int) -> None:
        """Read so many events, or to the end of the stream."""
        for _, event in zip(range(events), _events(chunks), strict=False):
            assert event.id == 0 or event.id > self.last, "no event comes twice"
            self.last = event.id or self.last
            kind = event.part["type"] if isinstance(event.part, dict) else event.part
            if kind == "start":
                self.text = ""
            elif kind == "text-delta":
                self.text += event.part["delta"]
            elif kind in ("finish", "error"):
                self.end = kind

    def come_back(self, app: ChatApp, events: int) -> bool:
        """Resume the answer. Returns False if it has ended, and there is nothing to read."""
        if not self.continues:
            self.text, self.last = "", 0
        self.end = ""
        headers = {"Last-Event-ID": str(self.last)} if self.last else {}
        with app.client.get(f"/api/chat/{self.conversation_id}/stream", headers=headers) as response:
            if response.status_code == 204:
                return False
            self.read((bytes(chunk) for chunk in response.response), events)  # type: ignore[arg-type]
        return True


def _events(chunks: Iterable[bytes]) -> Iterator[StreamEvent]:
    rest = b""
    for chunk in chunks:
        whole, end, rest = (rest + chunk).rpartition(b"\n\n")
        yield from parse_events(whole + end)
