"""The command line, the configuration and the supervisor of one node."""
