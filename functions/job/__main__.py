"""Command line of the Cloud Run job.

    python -m functions.job                        run steps until no run is open (also: drain)
    python -m functions.job collect --source ID    collect a source, or continue its open run (--dry-run: preview;
                                                   --everything, --since DATE, --until DATE: backfill)
    python -m functions.job migrate                migrate the database to this revision (--down-to REVISION: back)
    python -m functions.job keys create|list|revoke
    python -m functions.job owner --subject SUB

`CLOUD_RUN_TASK_INDEX` is the number of this job worker in its execution.
"""

import argparse
import datetime as dt
import sys
import uuid
from collections.abc import Sequence
from contextlib import closing

from functions.job.keys import add_keys_command
from functions.job.owner import add_owner_command
from functions.job.workspaces import read_workspaces
from headwater import logs, tracing
from headwater.config import Settings, get_settings
from headwater.errors import HeadwaterError
from headwater.processes.garbage import collect_garbage_less_often
from headwater.processes.protect import protect_memory

_EPILOG = """\
Settings are read from environment variables, see docs/settings.md.

Exit status: 0 on success, 1 on failure, 2 for a wrong command line.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command. Returns 0 on success, 1 on failure; exits with 2 for a wrong command line."""
    options = build_parser().parse_args(arguments)
    try:
        settings = get_settings()
        level = "WARNING" if sys.stdout.isatty() else settings.log_level
        service = settings.cloud_run_job or "job"
        logs.configure(level, options.log_stream, service=service, secrets=settings.secrets)
        logs.trace.set(logs.new_trace(settings.google_cloud_project))
        tracing.configure(settings, service)
        with tracing.root_span("job"):
            code: int = options.run(settings, options)
    except HeadwaterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands. `run(settings, options)` of the parsed options runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m functions.job",
        description="Headwater's job: collect sources, run steps without tickets, migrate the database, manage access.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_drain, log_stream=sys.stdout)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    drain = commands.add_parser(
        "drain",
        help="run steps until no run is open (default)",
        description="Run the due steps of all sources until no run is open, or no step has been due for JOB_IDLE_S.",
    )
    drain.set_defaults(run=_drain)
    _add_collect(commands)
    _add_migrate(commands)
    add_keys_command(commands)
    add_owner_command(commands)
    return parser


def _add_collect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    collect = commands.add_parser(
        "collect",
        help="collect a source and wait for the run to end",
        description="Collect a source, or continue its open run, and print the progress until the run ends.",
    )
    collect.add_argument("--source", type=uuid.UUID, metavar="ID", required=True, help="id of the source")
    collect.add_argument("--run", dest="run_id", type=uuid.UUID, metavar="ID", help="work on this run of the source")
    collect.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
    collect.add_argument("--everything", action="store_true", help="fetch unchanged documents, too")
    collect.add_argument("--since", type=dt.date.fromisoformat, metavar="DATE", help="only documents from this day on")
    collect.add_argument("--until", type=dt.date.fromisoformat, metavar="DATE", help="only documents up to this day")
    collect.set_defaults(run=_collect)


def _add_migrate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    migrate = commands.add_parser(
        "migrate",
        help="migrate the database to this revision",
        description="Migrate the database at DATABASE_ADMIN_URL to this revision and register the embedding model.",
    )
    migrate.add_argument(
        "--down-to", metavar="REVISION", help="undo all migrations after this one; deletes the data that they added"
    )
    migrate.set_defaults(run=_migrate)


def _drain(settings: Settings, _: argparse.Namespace) -> int:
    from functions.job.drain import drain

    return drain(settings)


def _collect(settings: Settings, options: argparse.Namespace) -> int:
    from functions.job.collect import collect
    from headwater.connectors import Period

    period = Period(options.since, options.until) if options.since or options.until else None
    choices = {"dry_run": options.dry_run, "everything": options.everything}
    return collect(settings, options.source, options.run_id, **choices, period=period)


def _migrate(settings: Settings, options: argparse.Namespace) -> int:
    from functions.collection.pipeline.index_words import index_workspace
    from headwater.database.migrations import downgrade, register_model, upgrade
    from headwater.database.transactions import REVISION, Database
    from headwater.embedding import vector_index
    from headwater.embedding.active_model import active_model_name, registered_dim
    from headwater.embedding.registry import DEFAULT, Embedders, check_model, dim_without_asking, model_dim
    from headwater.embedding.scales import measure_missing
    from headwater.errors import ConfigError
    from headwater.words.backfill import count_missing_words

    if not settings.database_admin_url:
        raise ConfigError("DATABASE_ADMIN_URL is missing. Migrations need the role that owns the database.")
    if options.down_to:
        downgrade(settings.database_admin_url, options.down_to, settings.database_root_certificate)
        print(f"migrated down to {options.down_to}")
        return 0
    check_model(settings.embedding_model or DEFAULT, settings)  # reports an invalid model before anything changes
    upgrade(
        settings.database_admin_url,
        settings.database_url,
        settings.database_root_certificate,
        role=settings.database_role,
    )
    model = settings.embedding_model or active_model_name(settings) or DEFAULT
    dim = dim_without_asking(model, settings) or registered_dim(settings, model) or model_dim(model, settings)
    active = register_model(settings.database_admin_url, model, dim, settings.database_root_certificate)
    vector_index.build_indexes(settings)
    count_missing_words(settings.database_admin_url, settings.database_root_certificate)
    with closing(Database.from_settings(settings, pool_size=1)) as database:
        for workspace in read_workspaces(database):
            index_workspace(database, workspace.id)
    measure_missing(settings, Embedders(settings))
    print(f"migrated to {REVISION}, embedding model {active}")
    if active != model:
        print(f"EMBEDDING_MODEL is {model}. See GET /api/embedding-models, or the page Workspace of the web app.")
    return 0


if __name__ == "__main__":
    collect_garbage_less_often()
    protect_memory()  # the processes of extensions run as the same user
    sys.exit(main(sys.argv[1:]))
