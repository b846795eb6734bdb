"""Any UPS, through the upsd of Network UPS Tools."""
