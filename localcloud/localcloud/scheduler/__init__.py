"""Cloud Scheduler v1: jobs that send an HTTP request on a schedule.

- `api`: the methods.
- `parse`, `render`: Google's JSON to `resources` and back.
- `records`: the database rows.
- `dispatch`: sends the requests. `cron` computes their times; `attempt` builds them and decides on retries; `sender`
  follows redirects and answers requests to Google's APIs in this process.
"""
