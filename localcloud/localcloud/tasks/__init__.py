"""Cloud Tasks v2: queues of HTTP requests, retried until they succeed.

- `api`: the methods.
- `parse`, `render`: Google's JSON to `resources` and back.
- `records`: the database rows.
- `dispatch`: sends the requests. `attempt` builds them and decides on retries; `pacing` limits their rate.
"""
