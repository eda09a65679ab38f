"""Google Drive's API v3 on loopback: tokens, files with parents, changes with page tokens that expire, exports."""

import re
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import decode

from tests.fakes.api_server import ApiServer, Reply, Request

ACCESS_TOKEN = "ya29.a0b1c2d3e4f5"
FOLDER = "application/vnd.google-apps.folder"
ROOT = "0ROOT-folder-id"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_key() -> str:
    """Return the key of the fake's service account."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return _KEY.private_bytes(*form).decode()


class GoogleDrive(ApiServer):
    """A drive. Tokens of changes are numbers; those below `oldest_token` have expired."""

    page_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.changes: list[str] = []
        self.oldest_token = 0
        self.claims: list[dict[str, Any]] = []
        self.add("Shared", FOLDER, file_id=ROOT, parent="")

    @property
    def secret(self) -> dict[str, str]:
        """The key of a service account."""
        names = {"type": "service_account", "client_email": "reader@acme.iam.example", "private_key": private_key()}
        return {**names, "token_uri": f"{self.origin}/token"}

    def add(
        self,
        name: str,
        media_type: str,
        content: bytes = b"",
        *,
        parent: str = ROOT,
        file_id: str = "",
        modified: str = "2024-02-01T10:00:00.000Z",
    ) -> str:
        """Add a file or folder. Returns its id."""
        file_id = file_id or f"file-{len(self.files):08}"
        self.files[file_id] = {
            "id": file_id,
            "name": name,
            "mimeType": media_type,
            "parents": [parent] if parent else [],
            "trashed": False,
            "modifiedTime": modified,
            "size": str(len(content)),
        }
        if not media_type.startswith("application/vnd.google-apps."):
            self.files[file_id]["md5Checksum"] = f"{hash(content) & 0xFFFFFFFF:08x}"
        self.contents[file_id] = content
        self.changes.append(file_id)
        return file_id

    def shortcut(self, name: str, target: str) -> str:
        """Add a shortcut to a file. Returns its id."""
        shortcut_id = self.add(name, "application/vnd.google-apps.shortcut")
        self.files[shortcut_id]["shortcutDetails"] = {"targetId": target}
        return shortcut_id

    def change(self, file_id: str, **fields: Any) -> None:
        """Change a file's metadata."""
        self.files[file_id].update(fields)
        self.changes.append(file_id)

    def delete(self, file_id: str) -> None:
        del self.files[file_id]
        self.changes.append(file_id)

    def answer(self, request: Request) -> Reply:
        if request.path == "/token":
            return self._token(request.body)
        if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
            return _problem(401, "authError", "Invalid Credentials")
        match request.path.removeprefix("/drive/v3/").split("/"):
            case ["files"]:
                return self._list(request.query)
            case ["changes", "startPageToken"]:
                return Reply({"startPageToken": str(len(self.changes))})
            case ["changes"]:
                return self._list_changes(request.query)
            case ["files", file_id] if file_id in self.files and request.query.get("alt") == "media":
                media_type = self.files[file_id]["mimeType"]
                return Reply(self.contents[file_id], headers={"Content-Type": media_type})
            case ["files", file_id] if file_id in self.files:
                return Reply(self.files[file_id])
            case ["files", file_id, "export"] if file_id in self.files:
                return Reply(self.contents[file_id], headers={"Content-Type": request.query["mimeType"]})
        return _problem(404, "notFound", f"File not found: {request.path}.")

    def _token(self, form: dict[str, str]) -> Reply:
        if form["grant_type"] == "refresh_token":
            is_known = form["refresh_token"] == "1//refresh" and form["client_secret"] == "s3cret-of-client"
        else:
            self.claims.append(decode(form["assertion"], _KEY.public_key(), ["RS256"], audience=f"{self.origin}/token"))
            is_known = self.claims[-1]["iss"] == self.secret["client_email"]
        if not is_known:
            return Reply({"error": "invalid_grant", "error_description": "Bad request"}, 400)
        return Reply({"access_token": ACCESS_TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def _list(self, query: Any) -> Reply:
        parents = re.findall(r"'([^']+)' in parents", query.get("q", ""))
        found = [one for one in self.files.values() if not one["trashed"]]
        if parents:
            found = [one for one in found if set(one["parents"]) & set(parents)]
        begin = self.position(query.get("pageToken", ""))
        if begin < 0:
            return _problem(400, "invalid", "Invalid Value")
        end = begin + self.page_size
        following = {"nextPageToken": self.cursor(end)} if end < len(found) else {}
        return Reply({"files": found[begin:end], **following})

    def _list_changes(self, query: Any) -> Reply:
        token = query["pageToken"]
        if not token.isdecimal() or int(token) < self.oldest_token:
            return _problem(400, "invalid", "Invalid Value")
        begin = int(token)
        end = begin + self.page_size
        changes = []
        for file_id in self.changes[begin:end]:
            is_gone = file_id not in self.files
            file = {} if is_gone else {"file": self.files[file_id]}
            changes.append({"fileId": file_id, "removed": is_gone, **file})
        is_last = end >= len(self.changes)
        following = {"newStartPageToken": str(len(self.changes))} if is_last else {"nextPageToken": str(end)}
        return Reply({"changes": changes, **following})


def _problem(status: int, reason: str, message: str) -> Reply:
    return Reply({"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}, status)
