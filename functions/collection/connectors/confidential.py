"""Keep the secret of a source out of its errors, run items and log lines, whatever its server sends back."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing

import msgspec

from functions.collection.connectors.registry import SourceReader
from headwater.connectors import Entry, Fetched, Listing
from headwater.outbound.pacing import Reserve, paced_by
from headwater.redaction import Redactor, quote, redacting

_MAX_REASON_CHARS = 1_000


class ConfidentialReader:
    """A source, read by the reader of its kind. `reserve` takes the turns of its requests."""

    def __init__(self, reader: SourceReader, secret: str | None, reserve: Reserve | None = None) -> None:
        self._reader = reader
        self._reserve = reserve
        self._redactor = Redactor(_confidential_parts(secret.strip()) if secret else [])

    def check(self) -> None:
        """Try to reach the source; raises UnprocessableContent with the reason."""
        with redacting(self._redactor):
            self._reader.check()

    def list(self, cursor: str | None, known: AbstractSet[str]) -> Listing:
        """List the source. Reasons why documents are skipped are quoted."""
        with redacting(self._redactor), paced_by(self._reserve):
            listing = self._reader.list(cursor, known)
            skipped = [(key, quote(reason, _MAX_REASON_CHARS)) for key, reason in listing.skipped]
        return msgspec.structs.replace(listing, skipped=skipped)

    def fetch(self, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        """Fetch entries of a listing. Reasons why they can't be read are quoted."""
        with redacting(self._redactor):
            files = self._reader.fetch(snapshot, entries)
        with closing(files):  # type: ignore[type-var]  # readers are generators
            while (file := self._next(files)) is not None:
                yield file

    def _next(self, files: Iterator[Fetched]) -> Fetched | None:
        with redacting(self._redactor), paced_by(self._reserve):
            file = next(files, None)
            if file is None or file.error is None:
                return file
            return msgspec.structs.replace(file, error=quote(file.error, _MAX_REASON_CHARS))


def _confidential_parts(secret: str) -> list[str]:
    """Return what has to be kept out of messages. A secret may be `user:password`, a private key, or JSON."""
    if "-----BEGIN" in secret:
        return re.findall(r"[A-Za-z0-9+/=]{8,}", re.sub(r"-----[A-Z ]+-----", "", secret))
    if not secret.startswith("{"):
        return [secret, secret.partition(":")[2]]
    try:
        fields = msgspec.json.decode(secret, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return [secret]
    public = {"type", "project_id", "client_email", "client_id", "token_uri"}
    return [
        value for name, value in fields.items() if isinstance(value, str) and name not in public and not _is_url(value)
    ]


def _is_url(value: str) -> bool:
    return value.startswith(("https://", "http://"))
