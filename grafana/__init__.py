"""Grafana's dashboards as code: `python -m grafana` writes the JSON files that Grafana reads."""

import warnings

# The SDK would rather have dashboards of its second version, which Grafana's file provisioning refuses.
warnings.filterwarnings("ignore", message="Prefer using dashboardv2", category=DeprecationWarning)
