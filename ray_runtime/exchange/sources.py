"""What has to be asked of which worker."""

from __future__ import annotations

from dataclasses import dataclass

from ray_runtime.exchange.identity import WorkerId
from ray_runtime.exchange.protocol import ReadRequest

__all__ = ["ExchangeSource"]


@dataclass(frozen=True)
class ExchangeSource:
    """One `do_get`: what to read from one worker. `bytes` is what the producers counted, in Arrow memory."""

    worker: WorkerId
    location: str
    request: ReadRequest
    bytes: int
