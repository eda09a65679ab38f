"""HTTP requests to targets, for Cloud Tasks and Cloud Scheduler: checks, identity, sending, outcome and backoff."""
