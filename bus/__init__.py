"""The event bus: envelopes, topics, intake, journal and everything that reads or feeds it."""
