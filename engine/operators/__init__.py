"""Every operator of the physical plan, one in a file."""

from engine.operators.collect import CollectExec
from engine.operators.distinct import DistinctExec
from engine.operators.empty import EmptyExec
from engine.operators.filter import FilterExec
from engine.operators.hash_aggregate import EXPORT_STATE, AggregateMode, HashAggregateExec
from engine.operators.join import JoinExec
from engine.operators.limit import LimitExec
from engine.operators.project import ProjectExec
from engine.operators.rename import RenameExec
from engine.operators.set_op import SetOpExec
from engine.operators.sort import SortExec
from engine.operators.sql_query import SqlExec
from engine.operators.table_scan import TableScanExec
from engine.operators.top_n import TopNExec
from engine.operators.unnest import UnnestExec
from engine.operators.values import ValuesExec
from engine.operators.window import WindowExec

__all__ = [
    "EXPORT_STATE",
    "AggregateMode",
    "CollectExec",
    "DistinctExec",
    "EmptyExec",
    "FilterExec",
    "HashAggregateExec",
    "JoinExec",
    "LimitExec",
    "ProjectExec",
    "RenameExec",
    "SetOpExec",
    "SortExec",
    "SqlExec",
    "TableScanExec",
    "TopNExec",
    "UnnestExec",
    "ValuesExec",
    "WindowExec",
]
