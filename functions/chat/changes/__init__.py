"""Changes of documents since a time: listed, and as passages of an answer."""
