"""Injury crashes and casualties an hour in the taxi zones of New York."""
