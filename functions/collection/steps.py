"""The kinds of step that collection knows, by name; its own function and the job run them."""

import uuid
from collections.abc import Callable, Mapping

from functions.collection.connect import connect_with
from functions.collection.fetch import Fetch
from functions.collection.finish import Finish
from functions.collection.link import Link
from functions.collection.list import ListSource
from headwater.config import Settings
from headwater.worker import Handler


def handlers(settings: Settings, start_job: Callable[[uuid.UUID], None] | None = None) -> Mapping[str, Handler]:
    """Make a handler for each kind; without `start_job` no run is too large to be worked on here."""
    connect = connect_with(settings)
    return {
        "list": ListSource(connect, settings, start_job),
        "fetch": Fetch(connect, settings),
        "link": Link(),
        "finish": Finish(connect, settings),
    }
