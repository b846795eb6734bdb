"""Grafana's dashboards as code: `python -m grafana` writes the JSON files that Grafana reads."""
