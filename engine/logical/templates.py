"""Plans that were made of other plans by putting other tables in, as of a search for something else.

Who has worked a plan out need not work out one like it: what differs is told by the template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.logical.nodes import LogicalPlan
from engine.storage.protocol import TableHandle

__all__ = ["Template", "remember_template", "template_of"]

_NOTED = "_template"


@dataclass(frozen=True)
class Template:
    """The plan that another was made of, and the other's `tables`, by the identities of those whose place they take."""

    plan: LogicalPlan
    tables: Mapping[int, TableHandle]


def remember_template(plan: LogicalPlan, template: Template) -> None:
    """Note what `plan` was made of."""
    plan.__dict__[_NOTED] = template


def template_of(plan: LogicalPlan) -> Template | None:
    """What `remember_template` has noted."""
    found: Template | None = plan.__dict__.get(_NOTED)
    return found
