"""Substrait plans: read, checked, and written as one SELECT in the kernel's dialect.

What they mean is so decided where the meaning of every text is: names are resolved with the session's rights, schema
and snapshot, types come from the kernel's binder, the logical plan is read off its bound plan.

::

    bytes -> plan          bounds; which relation is the root
          -> declarations  functions and types by their anchors
          -> relations     one SELECT for a relation, in the FROM of the next
          -> expressions   with the types that the plan says that they have
          -> functions     what a function's name means in the dialect
"""

from __future__ import annotations

from engine.substrait.plan import read_plan

__all__ = ["VERSIONS", "read_plan"]

VERSIONS = ("0.20.0", "0.106.0")
"""The oldest and the newest version of Substrait whose plans are read."""
