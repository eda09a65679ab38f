"""An IMAP server whose answers a test writes: for what a real server never does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

GREETING = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR] ready\r\n"
ANSWERS: Mapping[str, bytes] = {
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2\r\n",
    "LIST": b'* LIST () "/" INBOX\r\n',
    "STATUS": b"* STATUS INBOX (UIDVALIDITY 1 UIDNEXT 3 MESSAGES 2)\r\n",
    "EXAMINE": b"* 2 EXISTS\r\n* OK [UIDVALIDITY 1] valid\r\n",
    "SEARCH": b"* SEARCH 1 2\r\n",
}


@dataclass
class ImapServer:
    """A running server. `answers` are sent before the tagged `OK`, by command. `commands` are those that it has got."""

    port: int
    answers: dict[str, "bytes | Callable[[socket.socket], None]"]
    greeting: "bytes | Callable[[socket.socket], None]" = GREETING
    tagged: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    sent_bytes: int = 0

    def flood(self, connection: socket.socket, start: bytes, piece: bytes, pause_s: float = 0.0) -> None:
        """Send without end, at most 100 MB."""
        connection.sendall(start)
        while self.sent_bytes < 100_000_000:
            connection.sendall(piece)
            self.sent_bytes += len(piece)
            time.sleep(pause_s)

    def serve(self, connection: socket.socket) -> None:
        """Answer the commands of a client."""
        with connection, suppress(OSError), connection.makefile("rb") as lines:
            self._send(connection, self.greeting)
            for line in lines:
                tag, _, command = line.decode("latin-1").strip().partition(" ")
                words = command.upper().split()
                verb = words[1] if words[0] == "UID" else words[0]
                self.commands.append(command)
                if verb == "AUTHENTICATE" and len(words) == 2:
                    connection.sendall(b"+ \r\n")
                    self.commands.append(lines.readline().decode())
                self._send(connection, self.answers.get(verb, b""))
                connection.sendall(f"{tag} {self.tagged.get(verb, 'OK')} done\r\n".encode())
                if verb == "LOGOUT":
                    return

    def _send(self, connection: socket.socket, answer: "bytes | Callable[[socket.socket], None]") -> None:
        if callable(answer):
            answer(connection)
        else:
            connection.sendall(answer)


@contextmanager
def imap_server(**answers: bytes) -> Iterator[ImapServer]:
    """Run a server on loopback until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ImapServer(listener.getsockname()[1], {**ANSWERS, **answers})
        threads: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threads.append(threading.Thread(target=server.serve, args=(connection,)))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield server
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(30)
            for thread in threads:
                thread.join(30)
