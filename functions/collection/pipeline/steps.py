"""The kinds of step that collection knows, by name; its own function and the job run them."""

import uuid
from collections.abc import Callable, Mapping

from functions.collection.pipeline.fetch import Fetch
from functions.collection.pipeline.finish import Finish
from functions.collection.pipeline.link import Link
from functions.collection.pipeline.list_source import ListSource
from functions.collection.sources.connect import SourceOpener
from headwater.config import Settings
from headwater.queue.worker import Handler


def handlers(settings: Settings, start_job: Callable[[uuid.UUID], None] | None = None) -> Mapping[str, Handler]:
    """Make a handler for each kind; without `start_job` no run is too large to be worked on here."""
    opener = SourceOpener(settings)
    return {
        "list": ListSource(opener, settings, start_job),
        "fetch": Fetch(opener, settings),
        "link": Link(),
        "finish": Finish(opener, settings),
    }
