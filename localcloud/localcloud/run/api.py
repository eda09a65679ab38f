"""The Cloud Run jobs service: builds its parts."""

import time
from collections.abc import Sequence
from pathlib import Path

from localcloud.rest.router import Route
from localcloud.run.execution.executor import Executor
from localcloud.run.execution.images import Images
from localcloud.run.logs.api import LogMethods
from localcloud.run.logs.files import LogFiles
from localcloud.run.records import Records
from localcloud.run.service import JobService
from localcloud.run.v1.api import JobsV1
from localcloud.run.v2.api import JobsV2
from localcloud.store import Store

OPERATION_RETENTION_S = 7 * 24 * 3600.0


class CloudRunJobs:
    """The Cloud Run jobs service. Runs executions between `start` and `stop`."""

    def __init__(self, store: Store, data: Path, images: Images, *, grace_s: float) -> None:
        self._records = Records(store)
        logs = LogFiles(data / "logs")
        self._executor = Executor(self._records, images, logs, lock=data / "processes.lock", grace_s=grace_s)
        service = JobService(self._records, self._executor, images, logs)
        self._apis = (JobsV2(service, self._records), JobsV1(service), LogMethods(self._records, logs))

    @property
    def routes(self) -> Sequence[Route]:
        """The methods of both API versions, and those for logs."""
        return [route for api in self._apis for route in api.routes]

    def start(self) -> None:
        """Resume executions of an earlier process, on the running event loop."""
        self._records.expire_operations(time.time() - OPERATION_RETENTION_S)
        self._executor.start()

    async def stop(self) -> None:
        """End all processes. The next localcloud runs their tasks again."""
        await self._executor.stop()
