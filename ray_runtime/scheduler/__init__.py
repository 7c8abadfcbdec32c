"""The scheduler of distributed queries: a state machine that is told events and answers with decisions.

It imports no Ray and owns no thread, clock or connection; `ray_runtime.executor` feeds it and does what it decides.

::

    Scheduler            queries in turn by the slots they hold; workers; deadlines; the grace period
    └── QueryRun         which stages are needed, recovery, the result
        └── StageRun     the states of the tasks of one stage, in arrays
    WorkerPool           live workers by load, what runs and what lies there
    Heartbeats           which workers fell silent

State grows with tasks (25 bytes each) and with partitions (8 bytes for each stage and partition), never with tasks
times partitions. An event costs constant time, or time in proportion to what it changes: a lost worker to the outputs
that it held, a completed stage to its tasks (array copies) and to the number of stages.
"""

from ray_runtime.scheduler.events import (
    Cancel,
    CancelTask,
    Decision,
    DropQuery,
    Event,
    LaunchTask,
    Output,
    OutputLocations,
    OutputsMissing,
    QueryDone,
    QueryFailed,
    ResultFetched,
    ResultLost,
    ResultMissing,
    ResultReady,
    StageStats,
    StageTasks,
    Submit,
    TaskFailed,
    TaskId,
    TaskSucceeded,
    TaskSummary,
    Tick,
    WorkerId,
    WorkerJoined,
    WorkerLost,
)
from ray_runtime.scheduler.liveness import Heartbeats
from ray_runtime.scheduler.options import SchedulerOptions
from ray_runtime.scheduler.scheduler import Scheduler

__all__ = [
    "Cancel",
    "CancelTask",
    "Decision",
    "DropQuery",
    "Event",
    "Heartbeats",
    "LaunchTask",
    "Output",
    "OutputLocations",
    "OutputsMissing",
    "QueryDone",
    "QueryFailed",
    "ResultFetched",
    "ResultLost",
    "ResultMissing",
    "ResultReady",
    "Scheduler",
    "SchedulerOptions",
    "StageStats",
    "StageTasks",
    "Submit",
    "TaskFailed",
    "TaskId",
    "TaskSucceeded",
    "TaskSummary",
    "Tick",
    "WorkerId",
    "WorkerJoined",
    "WorkerLost",
]
