"""gRPC for Google's client libraries: each call becomes a call of the same method of the REST APIs."""
