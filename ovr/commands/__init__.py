"""The commands of `ovr`, one module a group; `ovr.main` lists them in a table."""
