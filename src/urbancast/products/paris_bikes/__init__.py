"""Bicycles an hour past the counters of Paris."""
