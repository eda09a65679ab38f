"""Fake Google Cloud and Cloudflare: the REST APIs that `scripts/deploy` uses, with all changes recorded.

with google_cloud(localcloud.url) as google:
    deploy(environment=google.environment(folder))
    assert google.writes == […]

The real gcloud uses it as an HTTP proxy, the real wrangler as its base URL. Cloud Tasks, Cloud Scheduler and Cloud Run
jobs are forwarded to a localcloud; all other resources are stored here. gcloud's requests for budgets can't be
redirected: they arrive through a tunnel of the proxy, which ends here with a certificate of the test.
"""

import json
import re
import ssl
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.cloudflare import WORKERS, NoWorker, Worker, envelope, refusal
from tests.fakes.google_apis import DEPLOYER, PROJECT, AlreadyExists, NotFound, Request
from tests.fakes.google_routes import ROUTES
from tests.harness.certificates import create_authority
from tests.harness.local_token import AUTHORIZATION

APIS = ["artifactregistry", "cloudbilling", "cloudbuild", "cloudresourcemanager", "cloudscheduler", "cloudtasks", "iam"]
APIS += [
    "iamcredentials",
    "logging",
    "monitoring",
    "run",
    "secretmanager",
    "serviceusage",
    "sql",
    "storage",
]
_TUNNELLED = "billingbudgets.googleapis.com"
_LOCAL = re.compile(r"/(queues|jobs|executions|tasks|operations|locations)(/|:|\?|$)")


class Google:
    """Resources and IAM policies by path, and the requests that changed them."""

    def __init__(self, localcloud: str) -> None:
        self.localcloud = localcloud
        self.resources: dict[str, Any] = {}
        self.policies: dict[str, Any] = {}
        self.writes: list[str] = []
        self.on_write: Callable[[str], None] = lambda write: None
        self.worker = Worker()
        self.probed: dict[str, list[str]] = {}
        self.canary_errors = 0
        self.gives_identity_tokens = True
        self.access_tokens_live_s = 3600
        self.access_tokens_given = 0
        self.unknown: list[str] = []
        self.conflicts: list[str] = []
        self._lock = threading.RLock()
        self._serial = 0
        self._certificates = tempfile.TemporaryDirectory()
        self._authority = create_authority(Path(self._certificates.name), "google")
        self._tls = self._authority.certify(_TUNNELLED)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._certificates.cleanup()

    def environment(self, folder: Path) -> dict[str, str]:
        """Return environment variables that point gcloud and wrangler here."""
        folder.mkdir(exist_ok=True)
        (folder / "key.json").write_text(json.dumps(_credential()))
        properties = {
            "CONFIG": str(folder),
            "AUTH_CREDENTIAL_FILE_OVERRIDE": str(folder / "key.json"),
            "AUTH_TOKEN_HOST": "http://oauth2.local/token",
            "CORE_CUSTOM_CA_CERTS_FILE": str(self._authority.root),
            "CORE_DISABLE_USAGE_REPORTING": "true",
            "PROXY_TYPE": "http",
            "PROXY_ADDRESS": "127.0.0.1",
            "PROXY_PORT": str(self.port),
            **{f"API_ENDPOINT_OVERRIDES_{api.upper()}": f"http://{api}.local/" for api in APIS},
        }
        cloudflare = {
            "CLOUDFLARE_API_BASE_URL": f"{self.url}/client/v4",
            "CLOUDFLARE_API_TOKEN": "token",
            "CLOUDFLARE_ACCOUNT_ID": "account",
        }
        return {f"CLOUDSDK_{name}": value for name, value in properties.items()} | cloudflare

    def answer(self, request: Request) -> tuple[int, Any]:
        """Answer a request; record it if it changes something."""
        is_local = request.api in ("cloudtasks", "cloudscheduler") or (
            request.api.endswith("run") and _LOCAL.search(request.path)
        )
        if is_local and not request.path.endswith("IamPolicy"):
            return self._forward(request)
        with self._lock:
            if request.api == "cloudflare":
                return self._cloudflare(request)
            for verb, pattern, handler in ROUTES:
                match = re.fullmatch(pattern, f"{request.api}{request.path}")
                if request.verb == verb and match:
                    return self._handled(request, handler, *match.groups())
            return self._unknown(request, "is not implemented by the fake")

    def _cloudflare(self, request: Request) -> tuple[int, Any]:
        if request.verb != "GET":
            self.record(request)
        try:
            result = self.worker.answer(request.verb, request.path.removeprefix(WORKERS), request.body)
        except NoWorker:
            return 404, refusal()
        return (
            (200, envelope(result)) if result is not None else self._unknown(request, "is not implemented by the fake")
        )

    def _handled(self, request: Request, handler: Callable[..., Any], *groups: str) -> tuple[int, Any]:
        try:
            return 200, handler(self, request, *groups)
        except NotFound:
            return 404, {"error": {"code": 404, "message": f"{request.path} was not found", "status": "NOT_FOUND"}}
        except AlreadyExists:
            self.conflicts.append(str(request))
            return 409, {
                "error": {"code": 409, "message": f"{request.path} already exists", "status": "ALREADY_EXISTS"}
            }
        except Exception as error:  # noqa: BLE001 - the test checks `unknown`
            return self._unknown(request, f"failed: {error!r}")

    def _unknown(self, request: Request, why: str) -> tuple[int, Any]:
        self.unknown.append(f"{request} {why}")
        return 501, {"error": {"code": 501, "message": f"{request} {why}", "status": "UNIMPLEMENTED"}}

    def record(self, request: Request) -> None:
        """Record a change and call the test's hook."""
        self.writes.append(str(request))
        self.on_write(str(request))

    def check_new(self, path: str) -> None:
        """Raise AlreadyExists if a resource exists."""
        if path in self.resources:
            raise AlreadyExists

    def serial(self) -> str:
        """Return a unique number."""
        self._serial += 1
        return str(self._serial)

    def _forward(self, request: Request) -> tuple[int, Any]:
        """Forward a request to localcloud, which gcloud uses as a proxy."""
        if request.verb != "GET":
            self.record(request)
        query = "&".join(f"{name}={quote(value)}" for name, value in request.query.items())
        url = f"http://{request.api}.local{request.path}" + (f"?{query}" if query else "")
        data = json.dumps(request.body).encode() if request.body is not None else None
        headers = {"Content-Type": "application/json"} | AUTHORIZATION
        forwarded = urllib.request.Request(url, data, headers, method=request.verb)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": self.localcloud}))
        try:
            with opener.open(forwarded, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 409:
                    self.conflicts.append(str(request))
                return error.code, json.load(error)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        google = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            tunnelled = ""

            def do_CONNECT(self) -> None:
                """Act as the requested host; its requests follow on this connection."""
                assert self.path.partition(":")[0] == _TUNNELLED, self.path
                self.send_response(200)
                self.end_headers()
                self.connection: ssl.SSLSocket = google._tls.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
                self.tunnelled = _TUNNELLED.partition(".")[0]
                self.close_connection = False  # Python's client opens tunnels with HTTP/1.0

            def finish(self) -> None:
                super().finish()
                if self.tunnelled:
                    self.connection.close()

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:  # a client that was killed
                    self.close_connection = True

            def respond(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(size)
                if len(raw) < size:
                    raise ConnectionError("the client was killed while it sent its request")
                parts = urlsplit(self.path)
                if parts.path.startswith("/resumable/"):
                    self.respond_to_part()
                    return
                api = self.tunnelled or (parts.hostname or "").removesuffix(".local")
                if not api:
                    api = "cloudflare" if parts.path.startswith("/client/v4") else "service"
                body: Any = raw.decode(errors="replace") or None
                if (
                    body
                    and "json" in self.headers.get("Content-Type", "")
                    and "multipart" not in self.headers["Content-Type"]
                ):
                    body = json.loads(body)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                if api == "service":
                    query["authorization"] = self.headers.get("Authorization", "")
                status, answer = google.answer(Request(self.command, api, parts.path, query, body, raw))
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def respond_to_part(self) -> None:
                """Accept a part of a large upload: the start has no range, and the end makes the object."""
                end, _, size = self.headers.get("Content-Range", "").rpartition("-")[2].partition("/")
                is_whole = bool(end) and int(end) + 1 == int(size)
                self.send_response(308 if end and not is_whole else 200)
                self.send_header("Range" if end else "Location", f"bytes=0-{end}" if end else self.path)
                object_ = {"bucket": "b", "name": "source.tgz", "generation": "1", "size": size}
                content = json.dumps(object_ if is_whole else {}).encode()
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        return Handler


def _credential() -> dict[str, str]:
    """Create a service account key file. gcloud signs with it; the fake token endpoint checks no signature.

    The key is short: gcloud computes with it in Python.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    identity = {"project_id": PROJECT, "private_key_id": "1", "client_email": DEPLOYER, "client_id": "1"}
    return {"type": "service_account", "private_key": pem, "token_uri": "http://oauth2.local/token", **identity}


@contextmanager
def google_cloud(localcloud: str) -> Iterator[Google]:
    """Serve on a free port until the block ends."""
    google = Google(localcloud)
    try:
        yield google
    finally:
        google.close()
