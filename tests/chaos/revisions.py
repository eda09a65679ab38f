"""The corpus: the project's own Markdown in two versions, as a Git repository with three revisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.corpus import FILES
from tests.harness.paths import ROOT
from tests.harness.pipeline import Repository

_OWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@dataclass(frozen=True)
class Revisions:
    """The repository. More than `bulk` documents change only if its second revision is the first to be collected."""

    repository: Repository
    commits: Sequence[str]
    bulk: int

    def check_out(self, number: int) -> None:
        """Make a revision the head of the branch."""
        self.repository.git("update-ref", "refs/heads/main", self.commits[number])


def make_revisions(folder: Path) -> Revisions:
    """Create the repository with three commits.

    The first has most files. The second has all of one version and the first pages of the other, with edits, renames
    and removals. The third changes a few files and restores a removed one, renames a folder, edits half of its pages in
    the same commit, and swaps two pages.
    """
    pages = {f"product/{key}": content for key, content in FILES.items()}
    pages |= {f"project/{path.relative_to(ROOT).as_posix()}": path.read_bytes() for path in _OWN}
    names = sorted(pages)
    repository = Repository(folder)
    first: dict[str, str | bytes | None] = {f"v1/{name}": pages[name] for name in names}
    first |= {
        "v1/broken.md": b"# Broken\n\n\xff\xfe\xfd\x00 isn't text",
        "v1/empty.md": b"",
        "v1/image.png": b"\x89PNG",
    }
    commits = [repository.write(first)]

    second: dict[str, str | bytes | None] = {f"v2/{name}": _newer(pages[name]) for name in names}
    for name in names[::5]:
        second[f"v1/{name}"] = None
        second[f"v1/moved/{name}"] = pages[name]
    for name in names[1::5]:
        second[f"v1/{name}"] = pages[name] + b"\n## Since the second version\n\nSee [the start](../v2/README.md).\n"
    second |= {f"v1/{names[2]}": None, "v1/broken.md": b"# Mended\n\nNow it is text.\n"}
    commits.append(repository.write(second))

    third: dict[str, str | bytes | None] = {f"v2/{name}": None for name in names[3::6]}
    for name in names[4::6]:
        third[f"v2/{name}"] = _newer(pages[name]) + b"\n## Third\n\nWritten last, " + name.encode() + b".\n"
    third |= {f"v1/{names[2]}": pages[names[2]], "v2/broken.md": b"\xff\xfe\xfd\x00"}
    for n, name in enumerate(names[::5]):
        third[f"v1/moved/{name}"] = None
        third[f"v1/settled/{name}"] = pages[name] + b"\n## Settled\n\nEdited as it moved.\n" * (n % 2)
    third |= {f"v1/{names[6]}": second[f"v1/{names[11]}"], f"v1/{names[11]}": second[f"v1/{names[6]}"]}
    commits.append(repository.write(third))
    return Revisions(repository, commits, 8 * len(names) // 5)


def _newer(page: bytes) -> bytes:
    """Change every second paragraph, so that half of the texts equal those of the other version."""
    paragraphs = page.split(b"\n\n")
    return b"\n\n".join(part + b" (v2)" if n % 4 == 1 else part for n, part in enumerate(paragraphs))
