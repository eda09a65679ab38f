"""All routes of the collection function that users and programs call, by room."""

import uuid
from collections.abc import Callable
from functools import partial

from sqlalchemy.engine import Connection

from functions.collection.accounts.routes import AccountRoutes
from functions.collection.conversation_files.routes import ConversationFileRoutes
from functions.collection.documents.routes import DocumentRoutes
from functions.collection.files.routes import FileRoutes
from functions.collection.files.upload_routes import UploadRoutes
from functions.collection.models.builds import Builds
from functions.collection.models.models import EmbeddingModels
from functions.collection.models.routes import ModelRoutes
from functions.collection.pipeline import retry_failed
from functions.collection.runs.routes import RunRoutes
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.routes import SourceRoutes
from functions.collection.webhooks.routes import WebhookRoutes
from headwater.config import Settings
from headwater.database.transactions import Database, after_commit
from headwater.queue.tickets import Tickets
from headwater.web.app import Route


def routes(
    database: Database,
    settings: Settings,
    tickets: Tickets,
    *,
    opener: SourceOpener,
    start_job: Callable[[uuid.UUID], None],
) -> list[Route]:
    """Return the routes. `start_job` starts the Cloud Run job for a run, if the run is large enough to need it."""

    def retry_run(tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID) -> uuid.UUID:
        new_id = retry_failed.retry_run(tx, workspace_id, run_id, settings)
        after_commit(tx, partial(start_job, new_id))
        return new_id

    return [
        *AccountRoutes(database, settings).routes(),
        *ModelRoutes(EmbeddingModels(database, settings, Builds(database, settings, tickets, start_job))).routes(),
        *SourceRoutes(database, settings, tickets, opener).routes(),
        *RunRoutes(database, tickets, retry_run, opener.delete_staged_after_commit).routes(),
        *DocumentRoutes(database, settings, tickets).routes(),
        *FileRoutes(database, settings, tickets).routes(),
        *UploadRoutes(database, settings, tickets).routes(),
        *ConversationFileRoutes(database, settings).routes(),
        *WebhookRoutes(database, settings, tickets).routes(),
    ]
