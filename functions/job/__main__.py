"""The Cloud Run job's command line: what is to be done flows in, progress lines and an exit code flow out.

    python -m functions.job                        drain the ledger until nothing is open (also: drain)
    python -m functions.job collect --source ID    collect a source, or go on with its open run (--dry-run: only look)
    python -m functions.job migrate                bring the database to this revision (--down-to REVISION: back)
    python -m functions.job keys create|list|revoke, owner --subject SUB      who may call: see `functions.job.keys`

`CLOUD_RUN_TASK_INDEX` and `CLOUD_RUN_TASK_COUNT` tell which of how many job workers this process is.
"""

import argparse
import sys
import uuid
from collections.abc import Sequence

from functions.job.keys import add_commands
from headwater import logs
from headwater.config import Settings, get_settings
from headwater.errors import HeadwaterError


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns 0 when it is done, 1 when it can't be, 2 when the command line is wrong."""
    options = _parse(arguments)
    try:
        settings = get_settings()
        logs.configure("WARNING" if sys.stdout.isatty() else settings.log_level)
        logs.trace.set(logs.new_trace(settings.google_cloud_project))
        code: int = options.run(settings, options)
    except HeadwaterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return code


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m functions.job", description="Headwater's Cloud Run job.")
    commands = parser.add_subparsers(metavar="COMMAND", help="default: drain")
    parser.set_defaults(run=_drain)
    commands.add_parser("drain", help="work until nothing is open").set_defaults(run=_drain)
    collect = commands.add_parser("collect", help="collect a source and wait for its end")
    collect.add_argument("--source", type=uuid.UUID, metavar="ID", required=True, help="which source")
    collect.add_argument("--run", dest="run_id", type=uuid.UUID, metavar="ID", help="this run of it and no other")
    collect.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
    collect.set_defaults(run=_collect)
    migrate = commands.add_parser("migrate", help="bring the database to this revision")
    migrate.add_argument("--down-to", metavar="REVISION", help="undo the migrations after this one, and what they hold")
    migrate.set_defaults(run=_migrate)
    add_commands(commands)
    return parser.parse_args(arguments)


def _drain(settings: Settings, _: argparse.Namespace) -> int:
    from functions.job.drain import drain

    return drain(settings)


def _collect(settings: Settings, options: argparse.Namespace) -> int:
    from functions.job.collect import collect

    return collect(settings, options.source, options.run_id, dry_run=options.dry_run)


def _migrate(settings: Settings, options: argparse.Namespace) -> int:
    from headwater.database.migrations import downgrade, register_model, upgrade
    from headwater.database.transactions import REVISION
    from headwater.embedding import vector_index
    from headwater.embedding.registry import model_dim
    from headwater.errors import ConfigError

    if not settings.database_admin_url:
        raise ConfigError("DATABASE_ADMIN_URL is missing: migrations run as the owner of the database.")
    if options.down_to:
        downgrade(settings.database_admin_url, options.down_to, settings.database_root_certificate)
        print(f"undone down to {options.down_to}")
        return 0
    dim = model_dim(settings.embedding_model, settings)
    upgrade(settings.database_admin_url, settings.database_url, settings.database_root_certificate)
    register_model(settings.database_admin_url, settings.embedding_model, dim, settings.database_root_certificate)
    vector_index.build_indexes(settings)
    print(f"migrated to {REVISION}, embedding model {settings.embedding_model}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
