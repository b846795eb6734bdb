"""Register layouts of real devices, written from their makers' tables."""
