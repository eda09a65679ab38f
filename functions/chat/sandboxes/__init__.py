"""Where agents run code and build pages."""
