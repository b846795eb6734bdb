"""The HTTP API and the field UI of a node."""
