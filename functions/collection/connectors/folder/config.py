"""Config of a folder on this machine: its path and patterns. Pure."""

import os.path
from typing import Annotated

import msgspec
from msgspec import Meta

from functions.collection.connectors.patterns import DOCUMENTS, selector_of
from headwater.errors import UnprocessableContent
from headwater.filters.globs import Selector


class FolderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The folder and the files to collect from it."""

    path: Annotated[
        str,
        Meta(
            title="Folder",
            description="The whole path of a folder on the computer that runs Headwater.",
            examples=["/home/me/notes"],
        ),
    ]
    include: Annotated[
        tuple[str, ...],
        Meta(
            title="Include",
            description="Patterns for the files to collect, matched against the path in the folder.",
            examples=[["notes/**/*.md"]],
        ),
    ] = DOCUMENTS
    exclude: Annotated[
        tuple[str, ...],
        Meta(title="Exclude", description="Patterns for files to leave out.", examples=[["**/archive/**"]]),
    ] = ()
    gitignore: Annotated[
        bool,
        Meta(title="Follow .gitignore", description="Leave out the files that .gitignore files name."),
    ] = True

    def normalised(self) -> "FolderConfig":
        """Return the config as it is stored; raises UnprocessableContent with the invalid field and the reason."""
        self.selector()
        path = self.path.strip()
        if not path.startswith("/") or "\0" in path or len(path) > 4_000:
            raise UnprocessableContent("config.path: enter the whole path of a folder, such as /home/me/notes.")
        return msgspec.structs.replace(self, path=os.path.normpath("/" + path.lstrip("/")))

    def selector(self) -> Selector:
        """Compile the patterns."""
        return selector_of(self.include, self.exclude, "files")
