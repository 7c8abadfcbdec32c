"""Measurements; `docs/benchmarks.md` says how they are made and what they gave."""
