"""Paid parking in the regulated streets of Madrid."""
