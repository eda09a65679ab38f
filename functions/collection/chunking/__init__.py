"""Cut documents into chunks for embedding and citing."""
