"""`python -m ovr`: how the supervisor starts its processes."""

from ovr.main import app

app()
