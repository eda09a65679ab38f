"""gunicorn's configuration of the service: one process, one request at a time, as `--concurrency=1` says."""

worker_class = "sync"
workers = 1
# Import the application, and so bind the port, only once.
preload_app = True
# Commands have limits of their own, and Cloud Run ends requests.
timeout = 0
graceful_timeout = 5
control_socket_disable = True
# A request is read by the one worker: a slow one holds this instance only.
limit_request_field_size = 16_000
