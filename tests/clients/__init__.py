"""Real clients against a server process, and the call sequences of those that do not run here."""
