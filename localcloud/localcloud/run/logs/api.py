"""Methods that return task output: localcloud's own, and ListLogEntries of Cloud Logging for `gcloud run jobs logs`."""

from localcloud.rest.paging import is_number
from localcloud.rest.protojson import Message
from localcloud.rest.router import ApiError, Call, JsonObject, Route, invalid
from localcloud.run.logs.entries import read_entries
from localcloud.run.logs.files import LogFiles
from localcloud.run.logs.filters import read_filter
from localcloud.run.records import Records

MAX_ENTRIES = 1000


class LogMethods:
    """The methods for task output."""

    def __init__(self, records: Records, files: LogFiles) -> None:
        self._records = records
        self._files = files

    @property
    def routes(self) -> list[Route]:
        """The supported methods."""
        return [
            Route("GET", "/localcloud/executions/{execution=*}/logs", "GetLogs", self.get_logs),
            Route("POST", "/v2/entries:list", "ListLogEntries", self.list_entries),
        ]

    def get_logs(self, call: Call) -> JsonObject:
        """Return the output of an execution's tasks, optionally of one `task` or one `attempt`."""
        execution_id = call.path["execution"]
        if self._records.execution(execution_id) is None:
            raise ApiError("NOT_FOUND", f"Execution {execution_id!r} not found.")
        outputs = [
            {"task": file.task, "attempt": file.attempt, "file": str(file.path), "text": file.text()}
            for file in self._files.files(execution_id)
            if call.query.get("task", str(file.task)) == str(file.task)
            and call.query.get("attempt", str(file.attempt)) == str(file.attempt)
        ]
        return {"logs": outputs}

    def list_entries(self, call: Call) -> JsonObject:
        """ListLogEntries."""
        with Message(call.body, "") as body:
            projects = [name.removeprefix("projects/") for name in body.strings("resourceNames")]
            log_filter = read_filter(body.string("filter"))
            newest_first = body.string("orderBy").endswith("desc")
            size = min(body.integer("pageSize") or MAX_ENTRIES, MAX_ENTRIES)
            token = body.string("pageToken") or "0"
        if not is_number(token):
            raise invalid("Invalid page token.")
        entries = [
            entry
            for project in projects
            for execution in self._records.executions(project)
            if log_filter.matches_execution(execution)
            for file in self._files.files(execution.execution_id)
            if log_filter.matches_file(file)
            for entry in read_entries(execution, file, log_filter)
        ]
        entries.sort(key=lambda entry: entry[0])
        if newest_first:
            entries.reverse()
        start = int(token)
        more = {"nextPageToken": str(start + size)} if len(entries) > start + size else {}
        return {"entries": [entry for _, entry in entries[start : start + size]], **more}
