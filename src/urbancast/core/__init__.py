"""Types every layer shares: no input, no output."""
