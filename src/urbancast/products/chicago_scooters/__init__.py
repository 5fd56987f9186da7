"""Shared scooters in the community areas of Chicago: trips that start, and how many more leave than arrive."""
