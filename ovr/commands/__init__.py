"""The commands of `ovr`, one module a group; each has `register(app)` or an `app` of its own."""
