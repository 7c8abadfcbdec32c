"""Random tables and random statements over them, whose answers the kernel alone decides.

A seed makes a `World`: a few small tables with names that collide, and statements over them. Everything that is drawn
has one right answer, whatever the order of the rows and the number of threads: orders are total where they matter,
floating point numbers are such that every sum of them is exact, and what is volatile is only asked what is always so.
`python -m tests.harness.random_sql` runs it by hand.
"""
