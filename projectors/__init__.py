"""Projectors turn the stream into read models that can be thrown away and rebuilt."""
