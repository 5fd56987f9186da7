"""Taxi trips between the community areas of Chicago."""
