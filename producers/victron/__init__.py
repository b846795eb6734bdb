"""Victron GX devices over MQTT."""
