"""Devices that speak Modbus TCP: maps as data, one planner, one decoder, one connection for each gateway."""
