"""Reads the lake, answers: no model, no portal, no flow is imported here."""
