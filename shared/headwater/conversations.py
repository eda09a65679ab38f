"""Ids of conversations: as a client chooses them, and as they are stored."""

import re
import uuid
from typing import Annotated

from msgspec import Meta

from headwater.auth.callers import LOCAL, Caller
from headwater.errors import UnprocessableContent

_PATTERN = "^[A-Za-z0-9_-]{1,64}$"

ConversationId = Annotated[str, Meta(extra_json_schema={"pattern": _PATTERN})]
"""An id as the API describes it. `check_conversation_id` checks it."""


def check_conversation_id(conversation_id: str, field: str = "") -> str:
    """Return the id if it is valid. Raises UnprocessableContent, which names the `field` if there is one."""
    if not re.fullmatch(_PATTERN, conversation_id):
        named = f"{field}: a" if field else "A"
        raise UnprocessableContent(f"{named} conversation id has 1 to 64 letters, digits, hyphens and underscores.")
    return conversation_id


def row_id(caller: Caller, conversation_id: str) -> str:
    """Return the id under which a caller's conversation is stored, unique among all callers.

    In local mode there is one caller, and the id is the client's own.
    """
    if caller.subject == LOCAL:
        return conversation_id
    return str(uuid.uuid5(caller.workspace_id, f"{caller.subject}/{conversation_id}"))
