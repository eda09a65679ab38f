"""Config and secret of a mailbox. Pure."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from functions.collection.connectors.patterns import matcher
from headwater.errors import SystemicError, UnprocessableContent
from headwater.filters.globs import compile_patterns

LEFT_OUT = frozenset((b"\\trash", b"\\junk", b"\\drafts"))
"""Special folders (RFC 6154) that are left out unless `folders` names them."""
_LEFT_OUT_NAMES = frozenset(
    ("trash", "deleted items", "deleted messages", "junk", "junk e-mail", "junk email", "spam", "drafts")
)
_UNSELECTABLE = frozenset((b"\\noselect", b"\\nonexistent"))


class MailConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mailbox to collect."""

    host: Annotated[str, Meta(title="Server", description="The IMAP server.", examples=["imap.example.com"])]
    user: Annotated[str, Meta(title="User", description="Often the mail address.", examples=["ann@example.com"])]
    folders: Annotated[
        tuple[str, ...],
        Meta(
            title="Folders",
            description="Patterns of folders to collect, with / between a folder and the one in it. Leave empty for "
            "all except trash, junk and drafts.",
            examples=[["INBOX", "Projects/**"]],
        ),
    ] = ()
    exclude: Annotated[
        tuple[str, ...],
        Meta(title="Exclude", description="Patterns of folders to leave out.", examples=[["Newsletters/**"]]),
    ] = ()
    since: Annotated[
        dt.date | None,
        Meta(title="Since", description="Leave out messages that arrived before this day.", examples=["2024-01-01"]),
    ] = None
    attachments: Annotated[
        bool, Meta(title="Attachments", description="Collect attached documents, each as a document of its own.")
    ] = True
    security: Annotated[
        Literal["tls", "starttls", "none"],
        Meta(
            title="Security",
            description="tls: encrypted from the start. starttls: encrypted by the command STARTTLS. none: only for "
            "servers in a private network, where the installation allows them.",
        ),
    ] = "tls"
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65_535)] | None,
        Meta(title="Port", description="Leave empty for 993, or 143 without tls."),
    ] = None

    @property
    def server_port(self) -> int:
        """The port, by default that of the security."""
        return self.port or (993 if self.security == "tls" else 143)

    def normalised(self) -> "MailConfig":
        """Return the config as it is stored; raises UnprocessableContent with the invalid field and the reason."""
        host = self.host.strip().lower()
        if not host or len(host) > 253 or not host.isprintable() or set(host) & set(" /@?#\\"):
            raise UnprocessableContent("config.host: enter the name of the server, such as imap.example.com.")
        user = self.user.strip()
        if not 1 <= len(user) <= 320 or not user.isprintable():
            raise UnprocessableContent("config.user: enter the name to log in with, of 1 to 320 characters.")
        matcher("folders", self.folders)
        matcher("exclude", self.exclude)
        return msgspec.structs.replace(self, host=host, user=user)

    def choose(self, folders: Sequence["ListedFolder"]) -> list[str]:
        """Return the names of the folders to collect."""
        includes, excludes = compile_patterns(self.folders), compile_patterns(self.exclude)
        found = [one for one in folders if not one.flags & _UNSELECTABLE and not excludes(one.path)]
        if self.folders:
            named = set(self.folders)
            chosen = [one for one in found if one.path in named or (includes(one.path) and not one.is_left_out)]
        else:
            kept = [one for one in found if not one.is_left_out]
            chosen = [one for one in kept if b"\\all" in one.flags] or kept
        return [one.name for one in chosen]


class ListedFolder(NamedTuple):
    """A folder of a mailbox: its name, its path with `/` as separator, its flags in lower case."""

    name: str
    path: str
    flags: frozenset[bytes]

    @property
    def is_left_out(self) -> bool:
        """Whether it is the trash, junk or drafts, as its flags say, or else its name."""
        special = self.flags & (LEFT_OUT | {b"\\sent", b"\\archive", b"\\all", b"\\flagged"})
        return bool(special & LEFT_OUT) or (not special and self.path.rpartition("/")[2].lower() in _LEFT_OUT_NAMES)


class OAuthSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an access token is requested with (RFC 6749, 6)."""

    refresh_token: str
    client_id: str
    token_url: str
    client_secret: str = ""
    scope: str = ""


def read_secret(secret: str | None) -> str | OAuthSecret:
    """Return the password, or what an access token is requested with: a JSON object."""
    if not secret:
        raise SystemicError("This mailbox needs a password. Enter it in the source's settings.")
    if not secret.lstrip().startswith("{"):
        if not secret.isprintable():
            raise SystemicError("The password has line breaks or other characters that can't be sent.")
        return secret
    try:
        return msgspec.json.decode(secret, type=OAuthSecret)
    except msgspec.DecodeError as error:
        raise SystemicError(
            "The secret begins with { but is not a JSON object with refresh_token, client_id and token_url. Enter a "
            "password, or such an object."
        ) from error
