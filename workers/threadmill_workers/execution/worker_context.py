"""What a worker process has that all its runs share."""

from __future__ import annotations

from dataclasses import dataclass, field

from threadmill_shared.broker.sender import Sender
from threadmill_shared.model import Model
from threadmill_shared.settings import Settings
from threadmill_shared.store.store import Store
from threadmill_shared.tools import ToolRegistry
from threadmill_shared.tools.runner import ToolRunner
from threadmill_workers.consuming.task_events import TaskEvents
from threadmill_workers.execution.ended_logs import EndedLogs
from threadmill_workers.execution.provider_health import ProviderHealth
from threadmill_workers.execution.worker_watch import WorkerWatch
from threadmill_workers.membership.lease import Lease
from threadmill_workers.metrics.recorder import MetricsRecorder


@dataclass(frozen=True)
class WorkerContext:
    """What a worker process executes its runs with."""

    settings: Settings
    store: Store
    sender: Sender
    lease: Lease
    model: Model
    tools: ToolRegistry
    runner: ToolRunner
    events: TaskEvents
    worker_watch: WorkerWatch
    provider: ProviderHealth = field(default_factory=ProviderHealth)
    metrics: MetricsRecorder = field(default_factory=MetricsRecorder)
    ended_logs: EndedLogs = field(default_factory=EndedLogs)
