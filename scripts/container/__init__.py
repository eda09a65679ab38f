"""The one container: all functions, localcloud and the Worker in one image, supervised as `scripts/dev` does."""
