"""Producers turn devices into events; they publish through the outbox and nowhere else."""
