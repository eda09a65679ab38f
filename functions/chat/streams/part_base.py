"""The base of all parts of a stream. Pure."""

import msgspec


class PartBase(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    """A part as JSON: its `type` says which one it is."""
