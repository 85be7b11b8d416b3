"""The store: everything that threadmill keeps in Redis, under one namespace."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from threadmill_shared import store
from threadmill_shared.store.broker_queues import BrokerQueues
from threadmill_shared.store.connections import StoreClient
from threadmill_shared.store.files import Files
from threadmill_shared.store.logs import Logs
from threadmill_shared.store.replicas import ReplicaCheck
from threadmill_shared.store.runs import Runs
from threadmill_shared.store.server import Server
from threadmill_shared.store.session import Session
from threadmill_shared.store.subscription import ChannelSubscription
from threadmill_shared.store.threads import Threads

if TYPE_CHECKING:
    from threadmill_shared.store.assistants import Assistants
    from threadmill_shared.store.client_requests import ClientRequests
    from threadmill_shared.store.held_runs import HeldRuns
    from threadmill_shared.store.indexer import Indexer
    from threadmill_shared.store.indexes import Indexes
    from threadmill_shared.store.inspector import Inspector
    from threadmill_shared.store.lists import Lists
    from threadmill_shared.store.parked_runs import ParkedRuns
    from threadmill_shared.store.run_pages import RunPages
    from threadmill_shared.store.uploaded_files import UploadedFiles
    from threadmill_shared.store.workers import Workers


class Store:
    """One namespace; each of its parts has the operations on one kind of thing.

    Those that an enqueue does not need are made, and their modules imported, at their first use.
    """

    def __init__(self, client: StoreClient, namespace: str, *, patience: float = 3.0) -> None:
        """A store on a client from `connect`; a call is repeated for `patience` seconds."""
        self.namespace = namespace
        self.session = session = Session(client, namespace, patience=patience)
        self.server = Server(session)
        self.broker_queues = BrokerQueues(session.pipeline)
        self.logs = Logs(session)
        self.files = Files(session, self.server)
        self.threads = Threads(session, self.server, self.files, self.logs)
        self.runs = Runs(session, self.server, self.logs, self.files)
        self.memory_guard = session.memory_guard

    @cached_property
    def assistants(self) -> Assistants:
        """Assistants that were created or are published."""
        return store.assistants.Assistants(self.session)

    @cached_property
    def client_requests(self) -> ClientRequests:
        """Requests of clients that have created something."""
        return store.client_requests.ClientRequests(self.session)

    @cached_property
    def held_runs(self) -> HeldRuns:
        """What the holder of a run writes."""
        return store.held_runs.HeldRuns(self.session)

    @cached_property
    def indexer(self) -> Indexer:
        """The upkeep of what lists are read from."""
        return store.indexer.Indexer(self.session, self.threads)

    @cached_property
    def indexes(self) -> Indexes:
        """The indexes of all buckets."""
        return store.indexes.Indexes(self.session)

    @cached_property
    def inspector(self) -> Inspector:
        """What operators look at."""
        return store.inspector.Inspector(self.session)

    @cached_property
    def lists(self) -> Lists:
        """Lists of runs, threads and assistants."""
        return store.lists.Lists(self.session)

    @cached_property
    def parked_runs(self) -> ParkedRuns:
        """Runs that wait for an answer."""
        return store.parked_runs.ParkedRuns(self.session)

    @cached_property
    def run_pages(self) -> RunPages:
        """The runs of a thread, and the steps of a run, page by page."""
        return store.run_pages.RunPages(self.session)

    @cached_property
    def uploaded_files(self) -> UploadedFiles:
        """Files that users have uploaded."""
        return store.uploaded_files.UploadedFiles(self.session, self.files)

    @cached_property
    def workers(self) -> Workers:
        """The workers that are registered."""
        return store.workers.Workers(self.session)

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
        """Close the connections; `broker_queues.drain` comes before what sends is cancelled."""
        await self.session.close()
