"""Google's REST conventions: the HTTP server, routes and errors, protobuf JSON, pages of a list, discovery methods."""
