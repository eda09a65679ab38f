"""The kinds of step that collection knows, by name; its own function and the job run them."""

from collections.abc import Mapping

from functions.collection.connect import connect_with
from functions.collection.fetch import Fetch
from functions.collection.finish import Finish
from functions.collection.list import ListSource
from headwater.config import Settings
from headwater.worker import Handler


def handlers(settings: Settings) -> Mapping[str, Handler]:
    """Make a handler for each kind."""
    connect = connect_with(settings)
    return {
        "list": ListSource(connect, settings),
        "fetch": Fetch(connect, settings),
        "finish": Finish(connect, settings),
    }
