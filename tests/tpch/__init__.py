"""TPC-H: queries, answers and the loader."""
