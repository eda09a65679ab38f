"""A recording control plane for tests: the REST APIs of Google Cloud and Cloudflare that `scripts/deploy` needs.

with google_cloud(localcloud.url) as google:
    deploy(environment=google.environment(folder))
    assert google.writes == […]

The real gcloud reaches it as an HTTP proxy, the real wrangler by its base URL. Cloud Tasks, Cloud Scheduler and Cloud
Run jobs are a localcloud's; everything else is kept here as resources, and every request that changes one is recorded.
Budgets, which gcloud asks Google alone for, come through a tunnel of the proxy that ends here, certified by the test.
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
from tests.fakes.google_apis import DEPLOYER, PROJECT, ROUTES, Asked, IsThere, NoSuchThing
from tests.harness.certificates import authority

APIS = ["artifactregistry", "cloudbilling", "cloudbuild", "cloudresourcemanager", "cloudscheduler", "cloudtasks", "iam"]
APIS += [
    "iamcredentials",
    "logging",
    "monitoring",
    "orgpolicy",
    "run",
    "secretmanager",
    "serviceusage",
    "sql",
    "storage",
]
_TUNNELLED = "billingbudgets.googleapis.com"
_LOCAL = re.compile(r"/(queues|jobs|executions|tasks|operations|locations)(/|:|\?|$)")


class Google:
    """The resources by their paths, and what has changed them."""

    def __init__(self, localcloud: str) -> None:
        self.localcloud = localcloud
        self.resources: dict[str, Any] = {}
        self.policies: dict[str, Any] = {}
        self.writes: list[str] = []
        self.on_write: Callable[[str], None] = lambda write: None
        self.worker = Worker()
        self.tried: dict[str, list[str]] = {}
        self.keys_forbidden = False
        self.gives_identity_tokens = True
        self.access_tokens_live_s = 3600
        self.access_tokens_given = 0
        self.unknown: list[str] = []
        self.conflicts: list[str] = []
        self._lock = threading.RLock()
        self._serial = 0
        self._certificates = tempfile.TemporaryDirectory()
        self._authority = authority(Path(self._certificates.name), "google")
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
        """Give the variables under which gcloud and wrangler know nothing but this."""
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

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request, recording it when it changes something."""
        is_local = asked.api in ("cloudtasks", "cloudscheduler") or (
            asked.api.endswith("run") and _LOCAL.search(asked.path)
        )
        if is_local and not asked.path.endswith("IamPolicy"):
            return self._forward(asked)
        with self._lock:
            if asked.api == "cloudflare":
                return self._cloudflare(asked)
            for verb, pattern, handler in ROUTES:
                found = re.fullmatch(pattern, f"{asked.api}{asked.path}")
                if asked.verb == verb and found:
                    return self._handled(asked, handler, *found.groups())
            return self._unknown(asked, "is not known to the test")

    def _cloudflare(self, asked: Asked) -> tuple[int, Any]:
        if asked.verb != "GET":
            self.record(asked)
        try:
            result = self.worker.answer(asked.verb, asked.path.removeprefix(WORKERS), asked.body)
        except NoWorker:
            return 404, refusal()
        return (200, envelope(result)) if result is not None else self._unknown(asked, "is not known to the test")

    def _handled(self, asked: Asked, handler: Callable[..., Any], *groups: str) -> tuple[int, Any]:
        try:
            return 200, handler(self, asked, *groups)
        except NoSuchThing:
            return 404, {"error": {"code": 404, "message": f"{asked.path} was not found", "status": "NOT_FOUND"}}
        except IsThere:
            self.conflicts.append(str(asked))
            return 409, {"error": {"code": 409, "message": f"{asked.path} is there", "status": "ALREADY_EXISTS"}}
        except Exception as error:  # noqa: BLE001 - told to the test, which fails of it
            return self._unknown(asked, f"failed: {error!r}")

    def _unknown(self, asked: Asked, why: str) -> tuple[int, Any]:
        self.unknown.append(f"{asked} {why}")
        return 501, {"error": {"code": 501, "message": f"{asked} {why}", "status": "UNIMPLEMENTED"}}

    def record(self, asked: Asked) -> None:
        """Remember a change, and tell the test."""
        self.writes.append(str(asked))
        self.on_write(str(asked))

    def check_new(self, path: str) -> None:
        """Raise IsThere for something that is to be created and is there."""
        if path in self.resources:
            raise IsThere

    def serial(self) -> str:
        """Give a number that nothing else has."""
        self._serial += 1
        return str(self._serial)

    def _forward(self, asked: Asked) -> tuple[int, Any]:
        """Have localcloud answer, as the proxy that gcloud takes it for."""
        if asked.verb != "GET":
            self.record(asked)
        query = "&".join(f"{name}={quote(value)}" for name, value in asked.query.items())
        url = f"http://{asked.api}.local{asked.path}" + (f"?{query}" if query else "")
        data = json.dumps(asked.body).encode() if asked.body is not None else None
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=asked.verb)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": self.localcloud}))
        try:
            with opener.open(request, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 409:
                    self.conflicts.append(str(asked))
                return error.code, json.load(error)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        google = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            tunnelled = ""

            def do_CONNECT(self) -> None:
                """Be the host that is asked for; its requests follow on this connection."""
                assert self.path.partition(":")[0] == _TUNNELLED, self.path
                self.send_response(200)
                self.end_headers()
                self.connection: ssl.SSLSocket = google._tls.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
                self.tunnelled = _TUNNELLED.partition(".")[0]
                self.close_connection = False  # Python's client asks for tunnels by HTTP/1.0

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
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
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
                status, answer = google.answer(Asked(self.command, api, parts.path, query, body, raw))
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond

            def log_message(self, *args: object) -> None:
                """Stay silent."""

        return Handler


def _credential() -> dict[str, str]:
    """Make a service account's key file; gcloud signs with it, and the test's token endpoint looks at no signature."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
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
