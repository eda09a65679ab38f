"""Record what hosted embedding models charge, by workspace, model and day (table `usage`)."""

from collections.abc import Iterator
from contextlib import contextmanager

from headwater import logs
from headwater.auth.callers import ensure_local_workspace
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.hosted.metering import metered
from headwater.embedding.hosted.providers import is_hosted
from headwater.errors import UpstreamError
from headwater.usage.prices import load_prices
from headwater.usage.record import Payer, Tokens, record_usage


class Recorder:
    """Records usage in a transaction of its own: what was charged counts, also if the work fails or is discarded."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @contextmanager
    def recording(self, payer: Payer, model: str) -> Iterator[None]:
        """Record the requests of this block. Local models cost nothing, and nothing is recorded."""
        if not is_hosted(model):
            yield
            return
        with metered() as meter:
            try:
                yield
            finally:
                if meter.calls:
                    self._record(payer, model.partition("#")[0], Tokens(input=meter.tokens), meter.calls)

    def _record(self, payer: Payer, model: str, tokens: Tokens, calls: int) -> None:
        """Record requests. A database that is unavailable is logged: it must not replace the error of the block."""
        prices = load_prices(self._settings.prices)
        try:
            with self._database.transaction(payer.workspace_id) as tx:
                ensure_local_workspace(tx, payer.workspace_id)
                record_usage(tx, prices, payer, kind="embedding", model=model, tokens=tokens, calls=calls)
        except UpstreamError as error:
            logs.event("usage.not_recorded", severity=40, model=model, tokens=tokens.input, calls=calls, error=error)
