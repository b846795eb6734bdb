"""Measures what the README claims: `python -m bench`, or `make bench`."""
