"""Git's smart HTTP protocol for one repository: a transport for dulwich's client.

It connects through the guarded client, sends the token only to the repository's own host, and limits bytes and time
while data streams.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import IO, Any

import urllib3
from dulwich.client import AbstractHttpGitClient
from dulwich.object_store import ObjectStoreGraphWalker
from dulwich.objects import valid_hexsha

from functions.collection.connectors.git.errors import check_response, translate_errors
from functions.collection.connectors.git.reading import MAX_REFS_BYTES, LimitedReader, answer_bytes
from headwater.errors import UpstreamError
from headwater.outbound.deadline import Deadline


class GitHttp(AbstractHttpGitClient):
    """A client for one repository and one call of the connector. It asks for the server's capabilities once.

    `deadline_s` is the time for all requests together. The limit of the `http` client is for each request's headers.
    """

    def __init__(self, url: str, *, http: urllib3.PoolManager, token: str | None, deadline_s: float) -> None:
        super().__init__(url, thin_packs=False, quiet=True)
        self.url = url
        self._http = http
        with translate_errors(url, url):
            self._origin = _origin(url)
        self._auth = authorization(url, token)
        self._deadline = Deadline(deadline_s)
        self._max_response_bytes = MAX_REFS_BYTES
        self._discovered: Any = None

    # Used by `remote`

    def capabilities(self) -> dict[bytes, bytes]:
        """Return the server's capabilities in protocol version 2; an empty dict for older servers."""
        with translate_errors(self.url, self._host):
            server = self._discover_references(b"git-upload-pack", self._get_url(""))[1]
        if self.protocol_version != 2:
            return {}
        pairs = (feature.strip().partition(b"=") for feature in server)
        return {name: value for name, _, value in pairs}

    def refs(self, prefix: list[bytes]) -> dict[bytes, bytes]:
        """Return the refs that start with one of `prefix`, as name → hex SHA."""
        self._discovered = None
        with translate_errors(self.url, self._host):
            refs = self._discover_references(b"git-upload-pack", self._get_url(""), ref_prefix=prefix)[0]
        known = {name: sha for name, sha in refs.items() if sha is not None}
        if not all(map(valid_hexsha, known.values())):
            raise UpstreamError(f"{self._host} sent data that is not Git's protocol (a bad SHA). Try again later.")
        return known

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
        """Write a pack with these objects into `file`.

        `on_data` gets each piece first and may raise to abort. Raises TransferTooLarge above `max_bytes`, or
        ObjectNotAvailable.
        """

        def write(data: bytes) -> int:
            if on_data:
                on_data(data)
            return file.write(data)

        def wanted(refs: Mapping[Any, Any], depth: int | None = None) -> list[Any]:  # noqa: ARG001 - dulwich's signature
            return list(wants)

        walker = ObjectStoreGraphWalker([], lambda _sha: [])
        with translate_errors(self.url, self._host):
            self._discover_references(b"git-upload-pack", self._get_url(""))
            self._max_response_bytes = answer_bytes(max_bytes)
            self.fetch_pack("", wanted, walker, write, depth=depth, filter_spec=filter_spec)

    def check_time(self) -> None:
        """Raise UpstreamError if `deadline_s` is over."""
        with translate_errors(self.url, self._host):
            self._deadline.left_s()

    # Called by dulwich's client

    def _discover_references(self, *args: Any, **kwargs: Any) -> Any:
        if self._discovered is None:
            self._max_response_bytes = MAX_REFS_BYTES
            kwargs["ref_prefix"] = kwargs.get("ref_prefix") or [b"HEAD"]  # some repositories have 100,000 refs
            self._discovered = super()._discover_references(*args, **kwargs)
        return self._discovered

    def _http_request(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: Any = None,
        raise_for_status: bool = True,  # noqa: ARG002 - part of dulwich's signature
    ) -> tuple[Any, Callable[[int], bytes]]:
        auth = self._auth if _origin(url) == self._origin else {}
        with self._deadline.apply():
            response = self._http.request(
                "GET" if data is None else "POST",
                url,
                body=data,
                headers={"User-Agent": "git/2 (headwater)", **(headers or {}), **auth},
                preload_content=False,
                redirect=data is None,  # as git does: only the first request follows redirects
            )
        try:
            check_response(response, self.url, has_token=bool(self._auth), is_first=data is None)
        except BaseException:
            response.close()
            raise
        final = response.geturl() or url
        answer: Any = response
        answer.content_type = response.headers.get("Content-Type", "")
        answer.redirect_location = final if final != url else ""
        reader = LimitedReader(response.read1, self.url, self._max_response_bytes, self._deadline)
        return answer, reader.read

    @property
    def _host(self) -> str:
        return str(self._origin[1])


def _origin(url: str) -> tuple[str | None, str | None, int | None]:
    """Return scheme, host and port: a token is sent to this origin only."""
    parts = urllib3.util.parse_url(url)
    return parts.scheme, parts.host, parts.port or {"http": 80, "https": 443}.get(parts.scheme or "")


def authorization(url: str, token: str | None) -> dict[str, str]:
    """Return the header that sends a token to the repository's host; empty without a token."""
    return _basic_auth(token.strip(), str(_origin(url)[1])) if token else {}


def _basic_auth(token: str, host: str) -> dict[str, str]:
    """Return the header for a token as Basic auth; `user:password` is used as it is.

    GitHub, GitLab and Gitea accept any user name with a token, Bitbucket only `x-token-auth`.
    """
    user = "x-token-auth" if host == "bitbucket.org" else "x-access-token"
    pair = token if ":" in token else f"{user}:{token}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
