"""Cloud Tasks, Cloud Run jobs and Cloud Scheduler on a local port, for Google's client libraries and `gcloud`.

It implements Google's REST and gRPC APIs, keeps all state in SQLite and makes the same HTTP requests as the services.
Start it with `localcloud --port 8791 --data DIR` (or `python -m localcloud`). `docs/localcloud.md` lists what is
supported and where it differs from the real services.

- `__main__`: the command line; builds the services and runs the server.
- `listener`: the port, on which clients speak HTTP/1.1 or gRPC.
- `rest`: the REST server, Google's REST conventions, and discovery methods that clients call first.
- `grpc_api`: the gRPC server, whose methods are those of `rest`.
- `tasks`, `run`, `scheduler`: the three services.
- `targets`: HTTP requests to the targets of Cloud Tasks and Cloud Scheduler.
- `store`: the SQLite database.
"""
