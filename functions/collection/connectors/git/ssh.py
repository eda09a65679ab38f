"""Git over SSH for one repository: a transport for dulwich's client.

The address of the server is checked when the connection is made, and the server's key before anything is sent. The
private key stays in memory.
"""

import logging
import re
import socket
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import paramiko
from dulwich.client import TraditionalGitClient, negotiate_protocol_version, read_server_capabilities
from dulwich.errors import HangupException
from dulwich.object_store import ObjectStoreGraphWalker
from dulwich.objects import valid_hexsha
from dulwich.protocol import Protocol

from functions.collection.connectors.git.errors import translate_errors
from functions.collection.connectors.git.reading import MAX_REFS_BYTES, LimitedReader, answer_bytes
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import Deadline, DeadlineExceeded, limited
from headwater.outbound.sockets import LimitedSocket
from headwater.redaction import quote

DEFAULT_PORT = 22
CONNECT_S = 10.0
MAX_REASON_BYTES = 2_000
# A form's field of one line joins the lines of the key.
_KEY = re.compile(r"\s*-----BEGIN ([A-Z ]{1,40})-----([^-]{1,20000})-----END \1-----\s*")
_KEY_TYPES: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)

Connect = Callable[[str, int, float], LimitedSocket]
"""Connect to a host and port within seconds: to an address that may be connected to."""


class GitSsh(TraditionalGitClient):
    """A client for one repository and one call of the connector, with one connection. `deadline_s` limits it."""

    def __init__(self, url: str, *, connect: Connect, key: str | None, host_key: str | None, deadline_s: float) -> None:
        super().__init__(thin_packs=False, quiet=True)
        parts = urlsplit(url)
        self.url = url
        self._host, self._port = parts.hostname or "", parts.port or DEFAULT_PORT
        self._user = unquote(parts.username or "git")
        self._path = unquote(parts.path).removeprefix("/") if parts.path.startswith("/~") else unquote(parts.path)
        self._open_socket = connect
        self._key, self._host_key = key, host_key
        self._deadline = Deadline(deadline_s)
        self._max_bytes = MAX_REFS_BYTES
        self._transport: paramiko.Transport | None = None
        self._alarm: threading.Timer | None = None
        self._channel: paramiko.Channel | None = None
        self._protocol: Protocol | None = None
        self._capabilities: dict[bytes, bytes] | None = None

    # Used by `remote`

    def capabilities(self) -> dict[bytes, bytes]:
        """Return the server's capabilities in protocol version 2; an empty dict for older servers."""
        if self._capabilities is None:
            self._capabilities = {}
            with self._translated_errors():
                protocol, _, _ = self._connect(b"upload-pack", self._path)
                with protocol:
                    if negotiate_protocol_version(protocol) == 2:
                        features = read_server_capabilities(protocol.read_pkt_seq())
                        pairs = (feature.strip().partition(b"=") for feature in features)
                        self._capabilities = {name: value for name, _, value in pairs}
                    protocol.write_pkt_line(None)
        return self._capabilities

    def refs(self, prefix: list[bytes]) -> dict[bytes, bytes]:
        """Return the refs that start with one of `prefix`, as name → hex SHA."""
        with self._translated_errors():
            found = self.get_refs(self._path.encode(), ref_prefix=prefix).refs
        known = {name: sha for name, sha in found.items() if sha is not None and not name.endswith(b"^{}")}
        if not all(map(valid_hexsha, known.values())):
            raise UpstreamError(f"{self._host} sent data that is not Git's protocol (a bad SHA). Try again later.")
        return {bytes(name): bytes(sha) for name, sha in known.items()}

    def fetch_objects(
        self,
        wants: list[bytes],
        file: IO[bytes],
        *,
        max_bytes: int,
        depth: int | None = None,
        filter_spec: bytes | None = None,
        on_data: Callable[[bytes], None] | None = None,
    ) -> None:
        """Write a pack with these objects into `file`, as `GitHttp.fetch_objects` does."""

        def write(data: bytes) -> int:
            if on_data:
                on_data(data)
            return file.write(data)

        def wanted(refs: Mapping[Any, Any], depth: int | None = None) -> list[Any]:  # noqa: ARG001 - dulwich's signature
            return list(wants)

        walker = ObjectStoreGraphWalker([], lambda _sha: [])
        # Older servers send all refs before the pack.
        self._max_bytes = answer_bytes(max_bytes) + (0 if self.capabilities() else MAX_REFS_BYTES)
        with self._translated_errors():
            self.fetch_pack(
                self._path, wanted, walker, write, depth=depth, ref_prefix=[b"HEAD"], filter_spec=filter_spec
            )

    def run(self, command: str, max_bytes: int) -> bytes:
        """Run a command with the path of the repository and the argument `download`. Returns what it prints.

        Raises PermanentError with the reason if it fails, or prints more than `max_bytes`.
        """
        with self._translated_errors():
            channel = self._open_channel()
            path = self._path.replace("'", "'\\''")
            channel.exec_command(f"{command} '{path}' download".encode())
            output = bytearray()
            with self._deadline.apply():
                channel.settimeout(limited(None))
                while len(output) <= max_bytes and (piece := channel.recv(max_bytes + 1)):
                    output += piece
                is_whole = len(output) <= max_bytes
                status = channel.recv_exit_status() if is_whole else -1
            if status == 0:
                return bytes(output)
            reason = self._reason() if is_whole else "its answer is too long"
            raise PermanentError(f"{command} failed on {self._host} ({reason or f'exit status {status}'})")

    def check_time(self) -> None:
        """Raise UpstreamError if `deadline_s` is over."""
        with self._translated_errors():
            self._deadline.left_s()

    def close(self) -> None:
        """Close the connection."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self._transport is not None:
            _end(self._transport, self._transport.sock)

    # Called by dulwich's client

    def _connect(
        self,
        cmd: bytes,
        path: str | bytes,
        protocol_version: int | None = None,  # noqa: ARG002 - part of dulwich's signature
    ) -> tuple[Protocol, Callable[[], bool], IO[bytes] | None]:
        """Run a command of Git on the server."""
        name = path.decode() if isinstance(path, bytes) else path
        with self._deadline.apply():
            channel = self._open_channel()
            channel.update_environment({"GIT_PROTOCOL": "version=2"})  # servers may ignore it
            channel.exec_command(b"git-%s '%s'" % (cmd, name.replace("'", "'\\''").encode()))

        def read_piece(size: int) -> bytes:
            channel.settimeout(limited(None))
            return bytes(channel.recv(size))

        def write(data: bytes) -> int:
            with self._deadline.apply():
                channel.settimeout(limited(None))
                channel.sendall(data)
            return len(data)

        reader = LimitedReader(read_piece, self.url, self._max_bytes, self._deadline)
        self._protocol = Protocol(reader.read, write, channel.close, shutdown_write=channel.shutdown_write)
        return self._protocol, channel.recv_ready, None

    def _open_channel(self) -> paramiko.Channel:
        with self._deadline.apply():
            transport = self._transport or self._log_in()
            self._channel = transport.open_session(timeout=limited(CONNECT_S))
        return self._channel

    def _log_in(self) -> paramiko.Transport:
        """Connect, check the server's key, and log in."""
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it logs what servers send
        key = read_private_key(self._key)
        sock = self._open_socket(self._host, self._port, CONNECT_S)
        self._transport = transport = paramiko.Transport(sock)
        transport.banner_timeout = transport.auth_timeout = CONNECT_S
        # paramiko waits without a limit for some answers. Closing the connection ends every wait.
        self._alarm = threading.Timer(self._deadline.left_s(), _end, (transport, sock))
        self._alarm.daemon = True
        self._alarm.start()
        transport.start_client(timeout=limited(CONNECT_S))
        if not transport.initial_kex_done:
            raise TimeoutError
        check_host_key(self._host, transport.get_remote_server_key().fingerprint, self._host_key)
        transport.auth_publickey(self._user, key)
        return transport

    def _reason(self) -> str:
        """Return what the server has written about the failure of a command, "" for nothing."""
        if self._channel is None:
            return ""
        try:
            self._channel.settimeout(1.0)
            return quote(self._channel.recv_stderr(MAX_REASON_BYTES).decode(errors="replace").strip())
        except (OSError, paramiko.SSHException):
            return ""

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Raise errors of paramiko, and of dulwich, as errors that say what to do."""
        host = self._host
        try:
            with translate_errors(self.url, host):
                try:
                    yield
                except HangupException as error:
                    raise self._no_repository() from error
        except HeadwaterError:
            raise
        except paramiko.AuthenticationException:
            raise SystemicError(
                f"{host} doesn't accept this key for the user {quote(self._user)}. Add its public part to the "
                "repository as a deploy key."
            ) from None
        except socket.gaierror:
            raise UpstreamError(f"The host {host} was not found. Check the URL, or try again later.") from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._connection_error(error) from None
        finally:
            if self._protocol is not None:
                self._protocol.close()

    def _connection_error(self, error: Exception) -> UpstreamError:
        try:
            self._deadline.left_s()
        except DeadlineExceeded as exceeded:
            return UpstreamError(f"{self._host} did not finish its answer in {exceeded.limit_s:g} s. Try again later.")
        if isinstance(error, TimeoutError):
            return UpstreamError(f"{self._host} did not answer in time. Try again later.")
        reason = f" ({quote(error)})" if str(error) else ""
        return UpstreamError(
            f"The SSH connection to {self._host} failed{reason}. Check the URL and the port, or try again later."
        )

    def _no_repository(self) -> UpstreamError | PermanentError:
        reason = self._reason()
        if not reason:
            return UpstreamError(f"{self._host} ended the transfer early. Try again later.")
        return SystemicError(
            f"{self.url} can't be read: {reason}. Check the URL, and that the key is a deploy key of the repository."
        )


def _end(transport: paramiko.Transport, sock: socket.socket) -> None:
    """Close a connection, also one whose log-in has failed."""
    transport.close()
    sock.close()


def read_private_key(secret: str | None) -> paramiko.PKey:
    """Decode a private key of OpenSSH or in PEM. Raises SystemicError with what to do."""
    found = _KEY.fullmatch(secret or "")
    if found is None:
        raise SystemicError(
            "An address of SSH needs a private key. Enter the content of the key file, from -----BEGIN to the end."
        )
    lines = textwrap.wrap(re.sub(r"\\n|\s", "", found[2]), 70)
    text = "\n".join([f"-----BEGIN {found[1]}-----", *lines, f"-----END {found[1]}-----", ""])
    for kind in _KEY_TYPES:
        try:
            return kind.from_private_key(StringIO(text))
        except paramiko.PasswordRequiredException:
            raise SystemicError("The private key has a passphrase. Make a key without one for this source.") from None
        except (paramiko.SSHException, ValueError, IndexError, UnicodeError):
            continue
    raise SystemicError("The private key can't be read. Use a key of type ed25519, ecdsa or rsa, and copy all of it.")


def check_host_key(host: str, fingerprint: str, known: str | None) -> None:
    """Raise SystemicError if the fingerprint of the server's key is not among the known ones."""
    if known and fingerprint in known.split():
        return
    if known:
        raise SystemicError(
            f"{host} has another key than config.host_key: {fingerprint}. If its operator has changed the key, enter "
            "the new fingerprint. Otherwise another server answers in its place."
        )
    raise SystemicError(
        f"The key of {host} is {fingerprint}. Compare it with the fingerprint that the server's operator publishes, "
        "and enter it as config.host_key."
    )
