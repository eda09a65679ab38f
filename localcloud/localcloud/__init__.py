"""The laptop's Google Cloud: Google's own REST APIs on one local port, durable, for the stock clients and `gcloud`.

In come the requests that Google's clients send; out go the same answers and, to the targets of tasks, the same HTTP
requests that the real service would make. It knows nothing about who uses it: `python -m localcloud --port 8791
--data DIR` is all there is.

Reading order: `__main__` puts the parts together; `server` and `rest` turn bytes into calls of methods. Each service is
a folder: `tasks` (Cloud Tasks), `run` (Cloud Run jobs), `scheduler` (Cloud Scheduler); `discovery` answers what clients
ask before they come to those. Beside them is what they share: `store` keeps what must survive, `http_target`, `attempt`
and `outbound` are requests to targets, `retry` says when to try again. `docs/localcloud.md` says what is faithful and
what is not.
"""
