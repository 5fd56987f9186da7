"""A made-up town with four counters: a product small enough to run its whole loop in a test."""
