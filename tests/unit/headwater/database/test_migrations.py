"""Migrations that were released never change: databases that ran them would differ from new ones."""

import hashlib
from pathlib import Path

from headwater.database import migrations
from headwater.database.transactions import REVISION

VERSIONS = Path(migrations.__file__).parent / "versions"
SUMS = VERSIONS / "SHA256SUMS"


def test_migrations_have_the_hashes_in_sha256sums() -> None:
    listed = {name: digest for digest, name in (line.split() for line in SUMS.read_text().splitlines())}
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VERSIONS.glob("*.py")}
    assert hashes == listed, (
        f"A released migration can't be edited; write a new one. Add its hash to {SUMS.name} in the commit that "
        "adds it."
    )


def test_newest_migration_is_the_required_revision() -> None:
    assert max(path.name for path in VERSIONS.glob("*.py")).startswith(f"{REVISION}_")
