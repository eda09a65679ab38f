"""The Cloud Run job's command line: what is to be done flows in, progress lines and an exit code flow out.

    python -m functions.job                  drain the ledger until nothing is open
    python -m functions.job --source ID      collect a source (also: collect --source ID)
    python -m functions.job migrate          bring the database to this revision

`CLOUD_RUN_TASK_INDEX` and `CLOUD_RUN_TASK_COUNT` tell which of how many job workers this process is.
"""

import argparse
import sys
import uuid
from collections.abc import Sequence

from headwater import logs
from headwater.config import Settings, get_settings
from headwater.errors import HeadwaterError


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns 0 when it is done, 1 when it can't be, 2 when the command line is wrong."""
    options = _parse(arguments)
    try:
        settings = get_settings()
        logs.configure("WARNING" if sys.stdout.isatty() else settings.log_level)
        if options.command == "migrate":
            return _migrate(settings)
        from functions.job.work import collect, drain

        if options.source is not None:
            return collect(settings, options.source)
        return drain(settings)
    except HeadwaterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m functions.job", description="Headwater's Cloud Run job.")
    parser.add_argument("command", nargs="?", choices=("collect", "drain", "migrate"), help="default: drain")
    parser.add_argument("--source", type=uuid.UUID, metavar="ID", help="collect this source and wait for its end")
    options = parser.parse_args(arguments)
    if options.command == "collect" and options.source is None:
        parser.error("collect needs --source ID")
    return options


def _migrate(settings: Settings) -> int:
    from headwater.db import REVISION
    from headwater.embedder import model_dim
    from headwater.errors import ConfigError
    from headwater.migrations import register_model, upgrade

    if not settings.database_admin_url:
        raise ConfigError("DATABASE_ADMIN_URL is missing: migrations run as the owner of the database.")
    upgrade(settings.database_admin_url, settings.database_url)
    register_model(settings.database_admin_url, settings.embedding_model, model_dim(settings.embedding_model))
    print(f"migrated to {REVISION}, embedding model {settings.embedding_model}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
