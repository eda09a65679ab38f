"""Connect to a database as its owner and run `select 1`: a process of `database_url.connection_problem`.

Reads `{"url": …, "root_certificate": …}` from stdin. Prints what failed and exits with 1.
"""

import json
import sys

import sqlalchemy as sa

from headwater.database.transactions import owner_transaction
from headwater.errors import HeadwaterError


def main() -> int:
    """Try the URL on stdin. Returns the exit code."""
    request = json.load(sys.stdin)
    try:
        with owner_transaction(request["url"], request["root_certificate"]) as tx:
            tx.execute(sa.text("select 1"))
    except HeadwaterError as error:
        print(error.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
