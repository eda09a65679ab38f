"""Built-in kinds of source and parsers: adding a package is enough."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from functions.collection.chunking.chunk import CHUNKER_VERSION
from tests.harness.paths import ROOT

USE = """
import json
from functions.collection.connectors.registry import describe_kinds, kind_for_new_source
from functions.collection.documents.fingerprints import stored_fingerprint
from functions.collection.documents.parser_pool import parser_pool
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from uuid import uuid4

settings = Settings(database_url="")
config = kind_for_new_source("hello").normalise({"names": ["Ada"]})
source = SourceOpener(settings).open(Credentials(uuid4(), "hello", config, None, None))
source.check()
listing = source.list(None, frozenset())
[file] = source.fetch(listing.snapshot, listing.entries)
[(_, document)] = parser_pool(settings).parse(uuid4(), [file], "constant")
kinds = [kind.kind for kind in describe_kinds()[0]]
print(json.dumps([kinds, document.title, stored_fingerprint(listing.entries[0]).rpartition(".hello-")[2]]))
"""


def test_new_packages_add_a_kind_of_source_and_a_parser(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "functions", tmp_path / "functions", ignore=shutil.ignore_patterns("__pycache__"))
    example = (ROOT / "examples" / "extension-hello" / "headwater_hello.py").read_text()
    for room, module, end in (
        ("connectors", "connector", "\n\nCONNECTOR = HelloConnector\n"),
        ("parsers", "parser", '\n\nparse = parse_hello\nREADS = ("application/x-hello", ".hello")\nVERSION = 3\n'),
    ):
        package = tmp_path / "functions" / "collection" / room / "hello"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / f"{module}.py").write_text(example + end)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "shared")])}
    completed = subprocess.run(
        [sys.executable, "-P", "-c", USE], env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    kinds, *parsed = json.loads(completed.stdout)
    assert (kinds[0], "hello" in kinds) == ("git", True)
    assert parsed == ["Ada", f"3.{CHUNKER_VERSION}"]
