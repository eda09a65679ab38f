"""The routes to task output: localcloud's own, and Cloud Logging's ListLogEntries as far as `gcloud run jobs` asks."""

from localcloud.rest.protojson import Message
from localcloud.rest.router import ApiError, Call, JsonObject, Route, invalid
from localcloud.run.logs.entries import entries, read_filter
from localcloud.run.logs.files import LogFiles
from localcloud.run.records import Records

MAX_ENTRIES = 1000


class Logs:
    """Reads what tasks wrote."""

    def __init__(self, records: Records, files: LogFiles) -> None:
        self._records = records
        self._files = files

    @property
    def routes(self) -> list[Route]:
        """Its methods."""
        return [
            Route("GET", "/localcloud/executions/{execution=*}/logs", "GetLogs", self.get_logs),
            Route("POST", "/v2/entries:list", "ListLogEntries", self.list_entries),
        ]

    def get_logs(self, call: Call) -> JsonObject:
        """Return the outputs of an execution, of one of its tasks with `task`, of one attempt with `attempt`."""
        execution_id = call.path["execution"]
        if self._records.execution(execution_id) is None:
            raise ApiError("NOT_FOUND", f"There is no execution {execution_id!r}.")
        found = [
            {"task": file.task, "attempt": file.attempt, "file": str(file.path), "text": file.text()}
            for file in self._files.files(execution_id)
            if call.query.get("task", str(file.task)) == str(file.task)
            and call.query.get("attempt", str(file.attempt)) == str(file.attempt)
        ]
        return {"logs": found}

    def list_entries(self, call: Call) -> JsonObject:
        """ListLogEntries."""
        with Message(call.body, "") as body:
            projects = [name.removeprefix("projects/") for name in body.strings("resourceNames")]
            wanted = read_filter(body.string("filter"))
            newest_first = body.string("orderBy").endswith("desc")
            size = min(body.integer("pageSize") or MAX_ENTRIES, MAX_ENTRIES)
            token = body.string("pageToken") or "0"
        if not token.isdecimal():
            raise invalid("Invalid page token.")
        found = [
            entry
            for project in projects
            for execution in self._records.executions(project)
            if wanted.wants_execution(execution)
            for file in self._files.files(execution.execution_id)
            if wanted.wants_file(file)
            for entry in entries(execution, file, wanted)
        ]
        found.sort(key=lambda entry: entry[0])
        if newest_first:
            found.reverse()
        start = int(token)
        more = {"nextPageToken": str(start + size)} if len(found) > start + size else {}
        return {"entries": [entry for _, entry in found[start : start + size]], **more}
