"""Find the connector for a kind of source: a package in this folder, or an installed extension."""

import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import msgspec

import functions.collection.connectors as built_in
from functions.collection.connectors.extension import ExtensionKind
from headwater.connectors import (
    Connector,
    ConnectorContext,
    Entry,
    Fetched,
    Listing,
    SourceKind,
    decode_config,
    describe,
)
from headwater.errors import HeadwaterError, UnprocessableContent
from headwater.extensions import discovery
from headwater.queue.providers import origin_of


class SourceReader(Protocol):
    """One source, with its config and secret."""

    def check(self) -> None:
        """Try to reach the source; raises UnprocessableContent with the reason."""

    def list(self, cursor: str | None, known: AbstractSet[str]) -> Listing:
        """List the source."""

    def fetch(self, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        """Fetch entries of a listing."""


class Kind(Protocol):
    """One kind of source."""

    def describe(self) -> SourceKind:
        """Describe the kind for a form."""

    def normalise(self, config: object) -> dict[str, Any]:
        """Check a config that came as JSON and return it as it is stored; raises UnprocessableContent."""

    def open(self, context: ConnectorContext, config: object, secret: str | None) -> SourceReader:
        """Open one source of this kind."""


class BuiltInKind:
    """A kind whose connector is a package in this folder."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def connector(self) -> type[Connector[Any]]:
        connector: type[Connector[Any]] = import_module(f"{built_in.__name__}.{self.name}.connector").CONNECTOR
        return connector

    def describe(self) -> SourceKind:
        return describe(self.name, self.connector)

    def normalise(self, config: object) -> dict[str, Any]:
        normalised: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(decode_config(self.connector, config)))
        return normalised

    def is_related(self, config: object, event: bytes) -> bool:
        return self.connector.is_related(decode_config(self.connector, config), event)

    def open(self, context: ConnectorContext, config: object, secret: str | None) -> SourceReader:
        return _BuiltInReader(self.connector.open(context), decode_config(self.connector, config), secret)


class _BuiltInReader:
    def __init__(self, connector: Connector[Any], config: msgspec.Struct, secret: str | None) -> None:
        self._connector = connector
        self._config = config
        self._secret = secret

    def check(self) -> None:
        self._connector.check(self._config, self._secret)

    def list(self, cursor: str | None, known: AbstractSet[str]) -> Listing:
        return self._connector.list(self._config, self._secret, cursor, known)

    def fetch(self, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        return self._connector.fetch(self._config, self._secret, snapshot, entries)


class UnavailableKind(msgspec.Struct, frozen=True):
    """A kind of source whose extension is installed but cannot be used."""

    kind: str
    package: str
    reason: str


def find_kind(kind: str) -> Kind | None:
    """Return a kind of source by its name, None for an unknown one; raises SystemicError if two extensions add it."""
    if kind in built_in_kinds():
        return BuiltInKind(kind)
    extension = discovery.find_extension("headwater.connectors", kind)
    return ExtensionKind(extension) if extension else None


def kind_for_new_source(kind: str) -> Kind:
    """Return a kind of source; raises UnprocessableContent with the known kinds."""
    found = find_kind(kind)
    if found is None:
        known = sorted({*built_in_kinds(), *discovery.names("headwater.connectors")})
        raise UnprocessableContent(f"There is no kind of source called {kind!r}. Known kinds: {', '.join(known)}.")
    return found


def kind_of_source(kind: str) -> Kind:
    """Return the kind of a stored source; raises UnprocessableContent if its extension is not installed."""
    found = find_kind(kind)
    if found is None:
        raise UnprocessableContent(
            f"This source needs the extension {kind!r}, which isn't installed. Install it and restart Headwater."
        )
    return found


@cache
def built_in_kinds() -> tuple[str, ...]:
    """Name the packages in this folder; Git, the first choice of a form, comes first."""
    names = [module.name for module in pkgutil.iter_modules(built_in.__path__) if module.ispkg]
    return tuple(sorted(names, key=lambda name: (name != "git", name)))


def describe_kinds() -> tuple[list[SourceKind], list[UnavailableKind]]:
    """Describe every kind of source, and say why an installed one cannot be used."""
    kinds = [BuiltInKind(kind).describe() for kind in built_in_kinds()]
    names = discovery.names("headwater.connectors")
    if not names:
        return kinds, []
    with ThreadPoolExecutor(len(names)) as threads:
        described = list(threads.map(_describe_extension, names))
    kinds += [kind for kind in described if isinstance(kind, SourceKind)]
    return kinds, [kind for kind in described if isinstance(kind, UnavailableKind)]


def _describe_extension(kind: str) -> SourceKind | UnavailableKind:
    packages = ", ".join(extension.package for extension in discovery.installed("headwater.connectors")[kind])
    if kind in built_in_kinds():
        return UnavailableKind(kind, packages, f"{kind!r} is the name of a built-in kind of source.")
    try:
        found = find_kind(kind)
        return found.describe() if found else UnavailableKind(kind, packages, "It is not installed.")
    except HeadwaterError as error:
        return UnavailableKind(kind, packages, error.message)


def is_remote(kind: str) -> bool:
    """Return False if the documents of a kind are in Headwater itself."""
    return kind not in built_in_kinds() or BuiltInKind(kind).connector.is_remote


def max_batch(kind: str) -> int:
    """Return how many documents of a kind one step fetches, at most."""
    return BuiltInKind(kind).connector.max_batch if kind in built_in_kinds() else Connector.max_batch


def find_origin(kind: str, config: Mapping[str, Any]) -> str | None:
    """Return the origin that a source's steps call, such as `https://github.com`; None without a server.

    The server is in the config's `url` or `host`. Where the config has neither, the kind has one server.
    """
    if not is_remote(kind):
        return None
    if "url" not in config and "host" not in config:
        return kind
    return origin_of(str(config["url"]) if "url" in config else f"tcp://{config['host']}")
