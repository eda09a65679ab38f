"""The service `sandbox`: runs commands that a model wrote, on Cloud Run, for the function chat.

It has its own image and an account without roles, no database, no settings and no secrets.
"""
