"""What may be said on the bus: measurements, event types, their schemas and their upcasters."""
