"""Parse files that are truncated, corrupted, misnamed or bombs: `python -m bench.broken_files [--count 300] [--seed 1]`

Each has to become a document or an item with a reason, within the limits of a file. The files are made of those in
tests/data/documents by a seeded generator. Prints a line for each kind of end, and the largest memory of a process.
"""

import argparse
import re
import sys
import time
from collections import Counter
from contextlib import closing

from functions.collection.connectors.media_types import media_type
from functions.collection.documents.parsed_file import ParseFailure
from functions.collection.documents.parser_pool import ParseLimits, ParserPool
from headwater.connectors import Fetched
from tests.harness.broken_files import bombs, broken
from tests.harness.paths import ROOT
from tests.harness.peak_memory import watch_children
from tests.harness.support import WORKSPACE

MAX_PROCESS_BYTES = 1024**3


def main() -> None:
    """Parse the files and report. Exits with 1 if one has no clear end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    made = [*bombs()]
    made += broken(arguments.count - len(made), arguments.seed)
    files = [Fetched(name, content, media_type(name, content)) for name, content in made]
    limits = ParseLimits(cpu_s=10, memory_bytes=384 * 1024**2, processes=2, model_dir=ROOT / ".headwater/models")
    ends: Counter[str] = Counter()
    unclear: list[str] = []
    slowest = 0.0
    with watch_children() as largest, closing(ParserPool(limits)) as pool:
        for file in files:
            started = time.monotonic()
            [(_, result)] = pool.parse(WORKSPACE, [file], "constant")
            slowest = max(slowest, time.monotonic() - started)
            if isinstance(result, ParseFailure):
                ends[re.sub(r"\d[\d,.]*", "#", result.reason)[:80]] += 1
                if re.search(r"failed in|ended|Error:", result.reason):
                    unclear.append(f"{file.key}: {result.reason[:200]}")
            else:
                ends["a document"] += 1
    for end, times in ends.most_common():
        print(f"{times:4} {end}")
    megabytes = largest.bytes / 1e6
    print(f"{len(files)} files, slowest {slowest:.1f} s, largest process {megabytes:.0f} MB, without a clear reason:")
    print("\n".join(unclear) or "none")
    sys.exit(bool(unclear) or largest.bytes > MAX_PROCESS_BYTES)


if __name__ == "__main__":
    main()
