"""Statements: what a text of SQL of any kind means, and how it is run. `database.Database` is the one door."""
