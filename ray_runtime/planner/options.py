"""What a distributed plan may be told."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DistributedOptions"]


@dataclass(frozen=True)
class DistributedOptions:
    """Choices of the distributed planner; the defaults suit a cluster with as many task slots as `slots`.

    Those of a local cluster, two workers with two slots each, are the default of `slots`.
    `partitions` is how many partitions a shuffle has (None: twice the slots). A join side of at most `broadcast_bytes`
    by estimate is sent to every task; of a table of one split, columns of at most `replicated_bytes` are read by every
    task instead; at most `gather_bytes` go to the task that has all of the other side. `split_bytes` is the
    size of a scan task's share of a table; `split_rows` cuts finer, up to `slot_splits` for a slot. Results of at most
    `sort_gather_bytes` by estimate are sorted in one task. Keys of at most `reducing_key_bytes` by estimate are sent to
    where the other side of a join is read, if that spares at least `reduced_bytes`; semi joins with so little on their
    right go below inner joins. What a statement stores is written by the tasks that make it where it has at least
    `written_bytes` by estimate. Whether aggregates are worth a partial phase is told by `sample_rows` rows of the
    table; 0 reads none.
    """

    slots: int = 4
    partitions: int | None = None
    broadcast_bytes: int = 32 << 20
    replicated_bytes: int = 4 << 20
    gather_bytes: int = 4 << 20
    split_bytes: int = 256 << 20
    split_rows: int | None = None
    slot_splits: int = 4
    sort_gather_bytes: int = 64 << 20
    reducing_key_bytes: int = 32 << 20
    reduced_bytes: int = 4 << 20
    written_bytes: int = 32 << 20
    sample_rows: int = 10_000

    @property
    def shuffle_partitions(self) -> int:
        """The number of partitions of a shuffle."""
        return self.partitions if self.partitions is not None else max(2, 2 * self.slots)
