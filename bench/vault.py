"""Collect vaults in the styles of eight tools, and count where titles, links and quotations are as the tool has them.

    python -m bench.vault [--notes 3000] [--seed 1] [--show 20] [--tool NAME]

`tests/harness/vault` writes the notes and says what each tool reads in them. The real steps collect them into an empty
database. Prints the share that agrees, by tool and kind, and the first differences.
"""

import argparse
import collections
import tempfile
import time
from pathlib import Path

from scripts.local.postgres import temporary_cluster
from tests.harness.databases import fresh_database, make_template
from tests.harness.pipeline import running_pipeline
from tests.harness.ports import free_port
from tests.harness.vault.agreement import KINDS, TOOLS, Agreement, collect_vault, compare, make_vault


def main() -> None:
    """Collect and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--notes", type=int, default=3_000, help="of all tools together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=3, help="differences to print of each tool and kind")
    parser.add_argument("--tool", choices=TOOLS, action="append", help="only this tool")
    arguments = parser.parse_args()
    tools = arguments.tool or list(TOOLS)
    agreement = Agreement()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with temporary_cluster(root / "pg", free_port(), sockets=True) as cluster:
            make_template(cluster)
            with fresh_database(cluster) as database, running_pipeline(database) as pipeline:
                for tool in tools:
                    started = time.perf_counter()
                    notes = make_vault(tool, arguments.notes // len(tools), arguments.seed)
                    stored = collect_vault(pipeline, root / tool, notes)
                    compare(agreement, tool, notes, stored)
                    print(f"{tool}: {len(notes):,} notes in {time.perf_counter() - started:.0f} s", flush=True)
    print_differences(agreement, arguments.show)
    print_table(agreement, tools)


def print_differences(agreement: Agreement, limit: int) -> None:
    """Print the first differences of each tool and kind."""
    shown: collections.Counter[str] = collections.Counter()
    for difference in agreement.differences:
        place = " | ".join(difference.split(" | ")[:2])
        shown[place] += 1
        if shown[place] <= limit:
            print(difference[:400].replace("\n", "\\n"))


def print_table(agreement: Agreement, tools: list[str]) -> None:
    """Print how many of how many agree."""
    print("| tool | " + " | ".join(KINDS) + " |\n|---" * 1 + "|---" * len(KINDS) + "|")
    for tool in tools:
        cells = [f"{agreement.agreed[tool, kind]:,}/{agreement.total[tool, kind]:,}" for kind in KINDS]
        print(f"| {tool} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
