"""An SMTP server on loopback that records mails: plain, with STARTTLS or with TLS from the start, and AUTH PLAIN.

with smtp_server(tls=context, implicit=True) as server:
    ...  # hand mails over to port server.port
    [mail] = server.mails

`replies` are sent instead of the usual ones, by command (`MAIL`, `RCPT`, `DATA`, `.`), each once. A reply that is empty
ends the connection. `silent` names a command that gets no reply.
"""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

USER, PASSWORD = "headwater", "pass word+1"


@dataclass(frozen=True)
class Mail:
    """A mail that was handed over."""

    sender: str
    recipient: str
    content: bytes
    is_encrypted: bool
    user: str


@dataclass
class SmtpServer:
    """What the server has got, and how it replies."""

    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    replies: dict[str, list[bytes]] = field(default_factory=dict)
    silent: str = ""
    commands: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def smtp_server(tls: ssl.SSLContext | None = None, *, implicit: bool = False) -> Iterator[SmtpServer]:
    """Run a server. With `tls`, it offers STARTTLS, or has TLS from the start if `implicit`."""
    state = SmtpServer()

    class Handler(_Session):
        server_state, context, is_implicit = state, tls, implicit

    ThreadingTCPServer.daemon_threads = True
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            state.released.set()
            server.shutdown()
            thread.join()


class _Session(StreamRequestHandler):
    server_state: SmtpServer
    context: ssl.SSLContext | None
    is_implicit: bool

    def handle(self) -> None:
        self._sock: Any = self.request
        self._is_encrypted, self._user = False, ""
        try:
            with suppress(OSError):
                if self.is_implicit:
                    self._encrypt()
                self._say(b"220 mail.example ESMTP")
                while self._command():
                    pass
        finally:
            with suppress(OSError):
                self.wfile.close()
            self.rfile.close()
            self._sock.close()

    def _encrypt(self) -> None:
        assert self.context
        self.rfile.close()
        self.wfile.close()
        self._sock = self.context.wrap_socket(self._sock, server_side=True)
        self.rfile, self.wfile = self._sock.makefile("rb"), self._sock.makefile("wb", 0)
        self._is_encrypted = True

    def _say(self, reply: bytes) -> None:
        self.wfile.write(reply + b"\r\n")
        self.wfile.flush()

    def _command(self) -> bool:
        line = self.rfile.readline().decode().strip()
        name = line.partition(" ")[0].upper()
        self.server_state.commands.append(name)
        if not line or name == "QUIT":
            if line:
                self._say(b"221 bye")
            return False
        if self.server_state.silent == name:
            self.server_state.released.wait(60)
            return False
        if (reply := self._set_reply(name)) is not None:
            return self._end_or_say(reply)
        match name:
            case "EHLO":
                can_encrypt = self.context is not None and not self._is_encrypted
                self._say(b"250-mail.example")
                self._say(b"250 STARTTLS" if can_encrypt else b"250 AUTH PLAIN")
            case "STARTTLS":
                self._say(b"220 go ahead")
                self._encrypt()
            case "AUTH":
                _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                self._user = user if (user, password) == (USER, PASSWORD) else ""
                self._say(b"235 ok" if self._user else b"535 wrong user or password")
            case "MAIL" | "RCPT":
                setattr(self, name, line.partition("<")[2].partition(">")[0])
                self._say(b"250 ok")
            case "DATA":
                return self._data()
            case _:
                self._say(b"250 ok")
        return True

    def _data(self) -> bool:
        self._say(b"354 go ahead")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        reply = self._set_reply(".")
        if reply is None or not reply:
            content = b"".join(lines)
            mail = Mail(vars(self)["MAIL"], vars(self)["RCPT"], content, self._is_encrypted, self._user)
            self.server_state.mails.append(mail)
        return self._end_or_say(b"250 accepted" if reply is None else reply)

    def _set_reply(self, name: str) -> bytes | None:
        replies = self.server_state.replies.get(name)
        return replies.pop(0) if replies else None

    def _end_or_say(self, reply: bytes) -> bool:
        if reply:
            self._say(reply)
        return bool(reply)
