"""A Git server on loopback: `git http-backend` behind Python's HTTP server. Counts requests and bytes.

    with serve(folder, partial=True) as server:
        url = f"{server.url}/project.git"

`folder` has repositories, bare or not. `partial` enables partial clone, `token` requires Basic authentication.
"""

import base64
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

GIT = shutil.which("git")


@dataclass(frozen=True)
class Symlink:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Submodule:
    """A submodule at a commit."""

    sha: str


Name = str | bytes
File = bytes | Symlink | Submodule | None


@dataclass
class Server:
    """A running server and its requests. `answer` may handle a request itself and then returns True."""

    url: str
    token: str | None = None
    """The token that it requires; None requires none."""
    bytes_sent: int = 0
    requests: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    answer: Callable[[BaseHTTPRequestHandler], bool] | None = None

    def reset(self) -> None:
        """Reset the counters."""
        self.bytes_sent = 0
        self.requests.clear()
        self.authorizations.clear()


@contextmanager
def serve(repos_dir: Path, *, partial: bool, token: str | None = None, protocol_v2: bool = True) -> Iterator[Server]:
    """Serve the repositories below a folder until the block ends."""
    running = Server("", token)

    class Handler(_Handler):
        server_state = running
        root, partial_clone, v2 = repos_dir, partial, protocol_v2

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = False  # closing waits for answers in progress
    running.url = f"http://127.0.0.1:{listener.server_address[1]}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield running
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # each answer ends with its connection
    server_state: Server
    root: Path
    partial_clone: bool
    v2: bool

    def do_GET(self) -> None:
        """Answer the first request of a fetch."""
        self._respond()

    def do_POST(self) -> None:
        """Answer the other requests of a fetch."""
        self._respond()

    def log_message(self, *args: object) -> None:
        """Log nothing."""

    def _respond(self) -> None:
        state, authorization = self.server_state, self.headers.get("Authorization")
        state.requests.append(f"{self.command} {self.path}")
        state.authorizations.append(authorization)
        if state.answer and state.answer(self):
            return
        if state.token and password_of(authorization) != state.token:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        self._run_backend()

    def _run_backend(self) -> None:
        """Run Git's CGI program and forward its output."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        process = subprocess.Popen(
            [GIT or "git", "http-backend"],
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it complains about clients that disconnect
            bufsize=0,
        )
        assert process.stdin
        assert process.stdout
        with process:
            process.stdin.write(body)
            process.stdin.close()
            status, headers = 200, []
            while line := process.stdout.readline().strip():
                name, _, value = line.decode().partition(": ")
                if name == "Status":
                    status = int(value.split()[0])
                else:
                    headers.append((name, value))
            try:
                self.send_response(status)
                for header in headers:
                    self.send_header(*header)
                self.end_headers()
                while chunk := os.read(process.stdout.fileno(), 65_536):
                    self.wfile.write(chunk)
                    self.server_state.bytes_sent += len(chunk)
            except ConnectionError:  # the client has disconnected
                process.kill()

    def _environment(self) -> dict[str, str]:
        parts = urlsplit(self.path)
        config = {"http.uploadpack": "true", "safe.directory": "*"}
        if self.partial_clone:
            config |= {"uploadpack.allowFilter": "true", "uploadpack.allowAnySHA1InWant": "true"}
        return git_environment(config) | {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", "0"),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") if self.v2 else "",
        }


def git_environment(config: dict[str, str] | None = None) -> dict[str, str]:
    """Build an environment in which Git behaves the same on every machine."""
    pairs = {"init.defaultBranch": "main", "user.name": "Test", "user.email": "test@example.org", **(config or {})}
    variables = {
        f"GIT_CONFIG_{part}_{n}": text
        for n, pair in enumerate(pairs.items())
        for part, text in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": str(len(pairs)),
        **variables,
    }


def git(*args: str | Path, cwd: Path | None = None, stdin: bytes = b"") -> str:
    """Run Git and return its output; raises an error if it fails."""
    done = subprocess.run(
        [GIT or "git", *args], cwd=cwd, env=git_environment(), input=stdin, check=True, capture_output=True, timeout=120
    )
    return done.stdout.decode(errors="replace").strip()


def make_repository(folder: Path, files: Mapping[Name, File], *, object_format: str = "sha1") -> Path:
    """Create a bare repository with one commit on `main`, or without commits if `files` is empty."""
    git("init", "--quiet", "--bare", f"--object-format={object_format}", folder)
    if files:
        commit(folder, files)
    return folder


def commit(repository: Path, files: Mapping[Name, File], *, branch: str = "main") -> str:
    """Commit changes to a branch: writes files, or deletes those with None. Returns the commit's SHA."""
    ref = f"refs/heads/{branch}"
    lines = [b"commit " + ref.encode(), b"committer Test <test@example.org> 1700000000 +0000", b"data 1\nx"]
    if git("for-each-ref", ref, cwd=repository):
        lines.append(b"from " + git("rev-parse", ref, cwd=repository).encode())
    for name, file in files.items():
        path = b'"%s"' % b"".join(b"\\%03o" % byte for byte in (name.encode() if isinstance(name, str) else name))
        match file:
            case None:
                lines.append(b"D " + path)
            case Submodule():
                lines.append(b"M 160000 %s %s" % (file.sha.encode(), path))
            case Symlink():
                lines.append(b"M 120000 inline %s\ndata %d\n%s" % (path, len(file.target), file.target.encode()))
            case bytes():
                lines.append(b"M 100644 inline %s\ndata %d\n%s" % (path, len(file), file))
    git("fast-import", "--quiet", cwd=repository, stdin=b"\n".join(lines) + b"\n")
    return git("rev-parse", ref, cwd=repository)


def password_of(header: str | None) -> str | None:
    """Return the password of a Basic `Authorization` header."""
    if not header or not header.startswith("Basic "):
        return None
    return base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[2]
