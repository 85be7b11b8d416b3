"""The store: everything that threadmill keeps in Redis, under one namespace."""

from __future__ import annotations

from collections.abc import Callable

from threadmill_shared.store.assistants import Assistants
from threadmill_shared.store.broker_queues import BrokerQueues
from threadmill_shared.store.connections import StoreClient
from threadmill_shared.store.files import Files
from threadmill_shared.store.held_runs import HeldRuns
from threadmill_shared.store.indexer import Indexer
from threadmill_shared.store.indexes import Indexes
from threadmill_shared.store.inspector import Inspector
from threadmill_shared.store.lists import Lists
from threadmill_shared.store.logs import Logs
from threadmill_shared.store.parked_runs import ParkedRuns
from threadmill_shared.store.replicas import ReplicaCheck
from threadmill_shared.store.runs import Runs
from threadmill_shared.store.server import Server
from threadmill_shared.store.session import Session
from threadmill_shared.store.subscription import ChannelSubscription
from threadmill_shared.store.threads import Threads
from threadmill_shared.store.workers import Workers


class Store:
    """One namespace; each of its parts has the operations on one kind of thing."""

    def __init__(self, client: StoreClient, namespace: str, *, patience: float = 3.0) -> None:
        """A store on a client from `connect`; a call is repeated for `patience` seconds."""
        self.namespace = namespace
        self.session = session = Session(client, namespace, patience=patience)
        self.server = Server(session)
        self.broker_queues = BrokerQueues(session.pipeline)
        self.logs = Logs(session)
        self.files = Files(session)
        self.threads = Threads(session, self.files)
        self.runs = Runs(session, self.logs, self.files)
        self.held_runs = HeldRuns(session)
        self.parked_runs = ParkedRuns(session)
        self.indexes = Indexes(session)
        self.inspector = Inspector(session)
        self.lists = Lists(session)
        self.indexer = Indexer(session, self.threads)
        self.workers = Workers(session)
        self.assistants = Assistants(session)
        self.memory_guard = session.memory_guard

    async def wait_for_replica(self, id: str, check: ReplicaCheck | None = None) -> bool:
        """Wait a moment for a replica to have all that this process has written before.

        Args:
            id: a thread's or run's, which says where it was written.
            check: what must be true as well, if there are or have been replicas.

        Returns:
            Whether one has it, or there are no replicas.
        """
        return await self.session.wait_for_replica(id, check)

    def subscription(self) -> ChannelSubscription:
        """A connection on which messages of channels come."""
        return ChannelSubscription(self.session.client)

    def repeat_for(self, seconds: float) -> None:
        """From now on repeat a call without an answer for so long; `math.inf`: until answered."""
        self.session.runner.patience = seconds

    def on_round_trip(self, note: Callable[[float], None]) -> None:
        """Have `note` told of how many seconds each round trip of the pipeline takes."""
        self.session.pipeline.on_round_trip = note

    async def close(self) -> None:
        """Send the last messages, and close the connections."""
        await self.broker_queues.drain()
        await self.session.close()
