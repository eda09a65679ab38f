"""The connector contract: how kinds are described, configs decoded and listings checked."""

import pytest
from msgspec import Struct

from headwater.connectors import Connector, Entry, Listing, check_listing, decode_config, describe
from headwater.errors import PermanentError, UnprocessableContent


class Place(Struct):
    city: str


class Config(Struct, forbid_unknown_fields=True):
    place: Place
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError("count must be at least 1")


class Weather(Connector[Config]):
    title = "Weather"
    config_type = Config

    def list(self, *_: object) -> Listing:
        return Listing("", [])

    def fetch(self, *_: object) -> "object":  # type: ignore[override]
        return iter(())


def test_schema_has_the_config_at_its_top_and_nested_structs_in_defs() -> None:
    kind = describe("weather", Weather)
    assert (kind.kind, kind.title, kind.help, kind.identity, kind.secret) == ("weather", "Weather", "", [], None)
    assert kind.config_schema["type"] == "object"
    assert kind.config_schema["properties"]["place"] == {"$ref": "#/$defs/Place"}
    assert kind.config_schema["$defs"]["Place"]["required"] == ["city"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "missing required field `place`"),
        ({"place": {"city": 1}}, r"\$\.place\.city"),
        ({"place": {"city": "Oslo"}, "days": 1}, "unknown field `days`"),
        ({"place": {"city": "Oslo"}, "count": 0}, "count must be at least 1"),
        ([], "Expected `object`"),
    ],
)
def test_invalid_config_is_refused_with_the_field(config: object, message: str) -> None:
    with pytest.raises(UnprocessableContent, match=f"config: .*{message}"):
        decode_config(Weather, config)


def test_listing_with_usual_keys_is_accepted() -> None:
    check_listing(Listing("s", [Entry("a.md", "1"), Entry("ä/b.md", "2")], skipped=[("c.md", "too large")], cursor="7"))


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (Listing("", [Entry("a", "1"), Entry("a", "2")]), "same key twice"),
        (Listing("", [], skipped=[("a", "x"), ("a", "y")]), "same key twice"),
        (Listing("", [Entry("", "1")]), "has the key ''"),
        (Listing("", [Entry("a\0", "1")]), "NUL"),
        (Listing("s\0", []), "NUL"),
        (Listing("", [], skipped=[("a", "\0")]), "NUL"),
        (Listing("", [Entry("ä" * 1_001, "1")]), "1 to 2,000 bytes"),
        (Listing("", [Entry("a", "")]), "empty fingerprint"),
        (Listing("", [Entry("a", "1\n2")]), "line break"),
        (Listing("", [], cursor="x" * 1_000_001), "cursor"),
    ],
)
def test_listing_that_cannot_be_stored_is_refused(listing: Listing, message: str) -> None:
    with pytest.raises(PermanentError, match=message):
        check_listing(listing)
