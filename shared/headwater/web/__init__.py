"""The HTTP shell: app, OpenAPI, gunicorn's configuration, shutdown."""
