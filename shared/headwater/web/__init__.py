"""The HTTP shell: app, OpenAPI, gunicorn's worker and configuration, shutdown."""
