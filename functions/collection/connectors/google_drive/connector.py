"""The Google Drive connector: files of a folder, of a shared drive, or all that an account may read.

The first listing reads all folders. Later ones read what has changed since, and know the rest from the cursor; if that
is too old, all folders are read again. Either way the listing is complete: files that were trashed, or moved out of the
folder, are removed.
"""

import re
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from functions.collection.connectors.api_client import ApiClient, ApiService, host_of
from functions.collection.connectors.api_values import Refusal, Refused, as_dict, as_list, as_text, path_part
from functions.collection.connectors.google_drive.credentials import read_secret, request_token
from functions.collection.connectors.google_drive.tree import (
    EXPORTS,
    FOLDER,
    SHORTCUT,
    DriveState,
    Targets,
    decode_state,
    encode_state,
    inside,
    read_file,
    select,
    shortcuts,
)
from functions.collection.connectors.media_types import media_type
from functions.collection.connectors.staged_listing import stage_listing, staged_listing
from functions.collection.connectors.web_address import normalise_web_address
from headwater.connectors import Connector, Entry, Fetched, Listing, Secret
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent

DELAY_S = 0.05
SLICE_S, BATCH_S, CHECK_S, TOKEN_S = 60.0, 120.0, 3.0, 10.0
PAGE_SIZE, FOLDERS_PER_REQUEST = 1_000, 30
MAX_FILES = 100_000
MAX_SHORTCUTS = 500
"""Whose files are asked for one by one, in each listing: the changes of a drive don't tell theirs."""
_FIELDS = "id,name,mimeType,parents,trashed,modifiedTime,md5Checksum,headRevisionId,size,shortcutDetails(targetId)"
_ALL_DRIVES = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
_LIMITS = frozenset(("rateLimitExceeded", "userRateLimitExceeded", "RESOURCE_EXHAUSTED"))
_FOLDER_ID = re.compile(
    r"(?:https://drive\.google\.com/(?:[\w/-]{0,100}folders/|open\?id=))?([A-Za-z0-9_-]{10,200})(?:[/?#].*)?"
)
_UNSPECIFIC = ("application/octet-stream", "text/plain", "")


class DriveConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The folder to collect."""

    folder: Annotated[
        str,
        Meta(
            title="Folder",
            description="The address or id of a folder or shared drive. Leave empty for all that the account may read.",
            examples=["https://drive.google.com/drive/folders/1AbC…"],
        ),
    ] = ""
    subject: Annotated[
        str,
        Meta(
            title="Act for",
            description="The e-mail address of a user for whom the service account acts (domain-wide delegation).",
        ),
    ] = ""
    url: Annotated[
        str, Meta(title="Address of the API", description="Only for a proxy or a test server: keep the default.")
    ] = "https://www.googleapis.com/"


class Walk(msgspec.Struct):
    """A listing under way: folders that are still to be read, and those that are being read, page by page.

    `restarted`: Drive has refused a page token of these folders, which are read again from their first page.
    """

    state: DriveState
    queue: list[str] = []
    batch: list[str] = []
    next_page: str = ""
    restarted: bool = False


class DriveConnector(Connector[DriveConfig]):
    """Reads Google Drive."""

    title = "Google Drive"
    help = "Collects Google Docs, Sheets and Slides, PDF, Office and other files of a folder or shared drive."
    config_type = DriveConfig
    identity = ("folder", "subject", "url")
    secret = Secret(
        "Key",
        "The JSON key of a service account with which the folder is shared; or JSON with client_id, client_secret and "
        "refresh_token.",
        required=True,
    )
    has_dates = True

    @classmethod
    def normalise(cls, config: DriveConfig) -> DriveConfig:
        """Write the folder as its id."""
        found = _FOLDER_ID.fullmatch(config.folder.strip())
        if config.folder.strip() and not found:
            raise UnprocessableContent("config.folder: enter the address or the id of a folder.")
        url = normalise_web_address(config.url)
        return DriveConfig(found[1] if found else "", config.subject.strip(), url)

    def check(self, config: DriveConfig, secret: str | None) -> None:
        """Get a token and find the folder."""
        try:
            api = self._api(config, secret, token_s=CHECK_S)
            _find_drive(api, config.folder, timeout_s=CHECK_S)
            api.get_json("/drive/v3/files", {"pageSize": 1, "fields": "files(id)", **_ALL_DRIVES}, timeout_s=CHECK_S)
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: DriveConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """Read changes, or folders for a while. Returns the listing, or where the next step goes on."""
        until = time.monotonic() + SLICE_S
        api = self._api(config, secret)
        walk = staged_listing(self.context, cursor, Walk)
        if walk is None:
            walk = _begin(api, config.folder, decode_state(cursor) if cursor else DriveState())
        while walk.queue or walk.batch:
            _read_folders(api, walk)
            if (walk.queue or walk.batch) and time.monotonic() > until:
                return Listing("", [], complete=False, resume=stage_listing(self.context, walk))
        targets = _find_targets(api, shortcuts(walk.state, config.folder))
        found = select(walk.state, config.folder, self.context.max_file_bytes, self.context.period, targets)
        return Listing(
            walk.state.page_token,
            found.entries,
            skipped=found.skipped,
            unmatched=found.unmatched,
            cursor=encode_state(walk.state),
            hashed=True,
        )

    def fetch(
        self,
        config: DriveConfig,
        secret: str | None,
        snapshot: str,  # noqa: ARG002 - files are fetched as they are now
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Yield files; documents of Google's editors in the formats of `EXPORTS`."""
        api, began = self._api(config, secret), time.monotonic()
        for entry in entries:
            if time.monotonic() - began > BATCH_S and len(entries) > 1:
                raise PermanentError(f"The files of the batch took longer than {BATCH_S:g} s.")
            try:
                yield self._fetch(api, entry)
            except SystemicError:
                raise
            except PermanentError as error:
                yield Fetched(entry.key, None, "", error=error.message)

    def _fetch(self, api: ApiClient, entry: Entry) -> Fetched:
        file_id, kind, _ = entry.fingerprint.split(".", 2)
        path, limit = f"/drive/v3/files/{path_part(file_id)}", self.context.max_file_bytes
        url = f"https://drive.google.com/open?id={file_id}"
        if kind in EXPORTS:
            answer = api.download(f"{path}/export", {"mimeType": EXPORTS[kind]}, max_bytes=limit)
            title = entry.key.rpartition("/")[2]
            return Fetched(entry.key, answer.content, EXPORTS[kind], url, title=title)
        answer = api.download(path, {"alt": "media", "supportsAllDrives": "true"}, max_bytes=limit)
        sent = answer.media_type.partition(";")[0].strip().lower()
        kind = media_type(entry.key, answer.content) if sent in _UNSPECIFIC else answer.media_type
        return Fetched(entry.key, answer.content, kind, url)

    def _api(self, config: DriveConfig, secret: str | None, *, token_s: float = TOKEN_S) -> ApiClient:
        google, client = read_secret(secret), self.context.http()
        token = request_token(client, google, config.subject, timeout_s=token_s)

        def explain(refusal: Refusal) -> str:
            if refusal.code == "accessNotConfigured":
                return "Enable the Google Drive API in the project of the key."
            if refusal.code == "exportSizeLimitExceeded":
                return "Google exports documents of up to 10 MB."
            if refusal.status in (403, 404):
                return f"Share the folder with {config.subject or google.account}."
            return "The access token is refused. Check the secret." if refusal.status == 401 else ""

        headers = {"Authorization": f"Bearer {token}"}
        service = ApiService(host_of(config.url), DELAY_S, explain, _LIMITS)
        return ApiClient(client, config.url, service, headers)


def _find_drive(api: ApiClient, folder: str, **options: float) -> str:
    """Return the id of the shared drive that a folder is in, "" for none. Raises SystemicError if it can't be read."""
    if not folder:
        return ""
    query = {"fields": "id,mimeType,trashed,driveId", "supportsAllDrives": "true"}
    try:
        found = as_dict(api.get_json(f"/drive/v3/files/{path_part(folder)}", query, **options))
    except Refused as error:
        raise SystemicError(f"The folder can't be read: {error.message}") from None
    if found.get("mimeType") != FOLDER or found.get("trashed") is True:
        raise SystemicError("config.folder is not a folder, or is in the trash. Enter the address of a folder.")
    return as_text(found.get("driveId"))


def _find_targets(api: ApiClient, known: dict[str, str]) -> Targets:
    """Ask for the files that shortcuts lead to."""
    targets: Targets = {}
    for number, (shortcut_id, target) in enumerate(known.items()):
        if number >= MAX_SHORTCUTS:
            targets[shortcut_id] = f"The folder has more than {MAX_SHORTCUTS} shortcuts to files elsewhere."
            continue
        try:
            file_id = target or _read_target(api, shortcut_id)
            found = read_file(_read_metadata(api, file_id)) if file_id else None
        except Refused:
            found = None
        if found is None:
            targets[shortcut_id] = "The file of the shortcut is gone, or isn't shared with the account."
        elif found[1].is_folder or found[1].media_type == SHORTCUT:
            targets[shortcut_id] = "Shortcuts to folders aren't followed. Add the folder as a source of its own."
        else:
            targets[shortcut_id] = found
    return targets


def _read_target(api: ApiClient, shortcut_id: str) -> str:
    found = read_file(_read_metadata(api, shortcut_id))
    return found[1].target if found else ""


def _read_metadata(api: ApiClient, file_id: str) -> Any:
    return api.get_json(f"/drive/v3/files/{path_part(file_id)}", {"fields": _FIELDS, "supportsAllDrives": "true"})


def _begin(api: ApiClient, folder: str, known: DriveState) -> Walk:
    """Read the changes since the last listing; else begin with all folders, after the token for later changes."""
    drive = {"driveId": drive_id} if (drive_id := _find_drive(api, folder)) else {}
    if known.page_token:
        try:
            return _read_changes(api, folder, known, drive)
        except Refused as error:  # the token has expired, or is from another account
            if error.http_status not in (400, 404, 410):
                raise
    answer = as_dict(api.get_json("/drive/v3/changes/startPageToken", {"supportsAllDrives": "true", **drive}))
    return Walk(DriveState(as_text(answer.get("startPageToken"))), [folder])


def _read_changes(api: ApiClient, folder: str, known: DriveState, drive: dict[str, str]) -> Walk:
    """Apply changes to the known files. New folders have to be read: they may have been moved with their files."""
    files, token, seen = dict(known.files), known.page_token, set[str]()
    while token and token not in seen and len(files) <= MAX_FILES:
        seen.add(token)
        query: dict[str, Any] = {"pageToken": token, "pageSize": PAGE_SIZE, "includeRemoved": "true", **drive}
        query |= {**_ALL_DRIVES, "fields": f"nextPageToken,newStartPageToken,changes(removed,fileId,file({_FIELDS}))"}
        answer = as_dict(api.get_json("/drive/v3/changes", query))
        for change in map(as_dict, as_list(answer.get("changes"))):
            found = None if change.get("removed") is True else read_file(change.get("file"))
            if found is None:
                files.pop(as_text(change.get("fileId")), None)
            else:
                files[found[0]] = found[1]
        token = as_text(answer.get("nextPageToken"))
        if start := as_text(answer.get("newStartPageToken")):
            kept = {file_id: files[file_id] for file_id in inside(files, folder)}
            new = [file_id for file_id, file in kept.items() if file.is_folder and file_id not in known.files]
            return Walk(DriveState(start, kept), new if folder else [])
    raise Refused("The changes have no end.", 410)


def _read_folders(api: ApiClient, walk: Walk) -> None:
    """Read one page of the files in the first folders of the queue; [""] stands for all that the account may read.

    After a refused page token, read these folders again, once.
    """
    if not walk.batch:
        walk.batch, walk.queue = walk.queue[:FOLDERS_PER_REQUEST], walk.queue[FOLDERS_PER_REQUEST:]
    parents = " or ".join(f"'{folder}' in parents" for folder in walk.batch if folder)
    query: dict[str, Any] = {"pageSize": PAGE_SIZE, "fields": f"nextPageToken,files({_FIELDS})", **_ALL_DRIVES}
    query["q"] = f"({parents}) and trashed = false" if parents else "trashed = false"
    if walk.next_page:
        query["pageToken"] = walk.next_page
    try:
        answer = as_dict(api.get_json("/drive/v3/files", query))
    except Refused as error:
        if error.http_status != 400 or not walk.next_page or walk.restarted:
            raise
        walk.next_page, walk.restarted = "", True
        return
    for file_id, file in filter(None, map(read_file, as_list(answer.get("files")))):
        is_new = file_id not in walk.state.files
        if is_new and len(walk.state.files) >= MAX_FILES:
            raise SystemicError(f"The folder has more than {MAX_FILES:,} files. Choose a smaller one.")
        walk.state.files[file_id] = file
        if is_new and parents and file.is_folder:
            walk.queue.append(file_id)
    following = as_text(answer.get("nextPageToken"))
    if following and following != walk.next_page:
        walk.next_page = following
    else:
        walk.next_page, walk.batch, walk.restarted = "", [], False


CONNECTOR = DriveConnector
