"""The logical plan, read off the plan that the kernel's binder made of a statement."""

from engine.sql.plan_reader.constants import AnyValue
from engine.sql.plan_reader.not_read import NotRead
from engine.sql.plan_reader.operators import read_plan

__all__ = ["AnyValue", "NotRead", "read_plan"]
