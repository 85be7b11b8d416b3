"""What the holder of a run writes and asks: every write carries the attempt's token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from threadmill_shared.records.files import FileContent, FileFailure, ThreadVectorStore, Upload
from threadmill_shared.store.call_marks import CallMarks
from threadmill_shared.store.files import (
    LEFT_OUT_FIELD,
    VECTOR_STORE_BEGUN_FIELD,
    VECTOR_STORE_FIELD,
    LeftOutNotes,
    failures_field,
    upload_field,
)
from threadmill_shared.store.pipeline import Sendable
from threadmill_shared.store.replicas import ReplicaCheck
from threadmill_shared.store.scripts.held_runs import AppendScript, HeldRunScripts
from threadmill_shared.store.scripts.loader import Value
from threadmill_shared.store.session import Session


class RunWriter:
    """The store, as one attempt at one run may write to it."""

    def __init__(self, session: Session, *, run_id: str, token: str) -> None:
        self.run_id = run_id
        self.token = token
        """Proves the attempt to the scripts."""
        self.appends = AppendScript(session.keys, run_id=run_id, token=token)
        """Makes the commands that append to the run's log; they are sent by `put`."""
        self._session = session
        self._keys = session.keys
        self._runner = session.runner
        self._scripts = HeldRunScripts(session.keys)

    def put(self, sendable: Sendable) -> None:
        """Have a command sent with the next pipeline; putting it twice sends it once."""
        self._session.pipeline.put(sendable)

    def report_full_store(self) -> None:
        """Log that Redis takes nothing in, once until it does again."""
        self._session.memory_guard.warn()

    async def finish(
        self, *, serial: int, status: str, count: int, records: str, rest: Sequence[Value]
    ) -> list[Any]:
        """End the run with its last batch; returns the reply of `finish.lua`."""
        call = self._scripts.finish(
            run_id=self.run_id,
            token=self.token,
            serial=serial,
            status=status,
            count=count,
            records=records,
            rest=rest or [0] * 5,
        )
        return await self._runner.run(call)

    async def park(
        self, *, serial: int, wait_ms: int, count: int, records: str, rest: Sequence[Value]
    ) -> list[Any]:
        """Let go of the run, which waits for somebody outside; returns the reply of `park.lua`."""
        call = self._scripts.park(
            run_id=self.run_id,
            token=self.token,
            serial=serial,
            wait_ms=wait_ms,
            count=count,
            records=records,
            rest=rest,
        )
        return await self._runner.run(call)

    async def release(self, *, serial: int) -> list[Any]:
        """Give the run back as it is; returns the reply of `release.lua`."""
        call = self._scripts.release(run_id=self.run_id, token=self.token, serial=serial)
        return await self._runner.run(call)

    async def store_field(self, kind: str, field: str, value: str) -> bool:
        """Store a field beside the run or its thread, in a round trip of its own.

        Args:
            kind: `files` or `attached`, as `store_field.lua` says.
            field: the field's name.
            value: its value.

        Returns:
            Whether this attempt still holds the run; else nothing is stored.
        """
        call = self._scripts.store_field(
            run_id=self.run_id, token=self.token, kind=kind, field=field, value=value
        )
        reply = await self._runner.run_apart(call)
        return bool(reply[0] == "ok")

    async def store_produced(self, file: FileContent) -> bool:
        """Store a file that the run has made; whether this attempt still holds the run."""
        for field, value in file.fields():
            if not await self.store_field("files", field, value):
                return False
        return True

    async def note_upload(self, file_id: str, upload: Upload) -> bool:
        """Note that an attached file was uploaded; whether this attempt still holds the run."""
        note = to_json(upload).decode()
        return await self.store_field("attached", upload_field(file_id), note)

    async def note_vector_store(self, vector_store: ThreadVectorStore) -> bool:
        """Note the thread's vector store; whether this attempt still holds the run."""
        note = to_json(vector_store.note()).decode()
        return await self.store_field("attached", VECTOR_STORE_FIELD, note)

    async def note_left_out(self, notes: LeftOutNotes) -> bool:
        """Note what models did not take of the thread; whether this attempt still holds the run.

        Args:
            notes: for each model, spans of positions in which something is left out, by its kind.
        """
        return await self.store_field("attached", LEFT_OUT_FIELD, to_json(notes).decode())

    async def note_vector_store_begun(self, at: float) -> bool:
        """Note that a vector store may be made now; 0: what was made is noted.

        Args:
            at: in seconds since 1970.

        Returns:
            Whether this attempt still holds the run.
        """
        return await self.store_field("attached", VECTOR_STORE_BEGUN_FIELD, to_json(at).decode())

    async def note_failures(self, message_id: str, failures: Mapping[str, FileFailure]) -> bool:
        """Note which files of a message cannot be used; whether this attempt holds the run."""
        note = to_json({file_id: one.note() for file_id, one in failures.items()}).decode()
        return await self.store_field("attached", failures_field(message_id), note)

    async def stored_serial(self) -> int | None:
        """Number of the last write that is stored; None if another attempt holds the run."""
        token, serial = await self._runner.command(*self._token_and_serial())
        return int(serial) if token == self.token else None

    async def wait_for_replica(self, serial: int | None = None) -> bool:
        """Wait a moment for a replica to have what is stored; whether one has it, or there is none.

        Args:
            serial: number of the last write, which must be stored still; None: that is not checked.
        """
        check = None
        if serial is not None:
            check = ReplicaCheck(self._token_and_serial(), [self.token, str(serial)])
        return await self._session.wait_for_replica(self.run_id, check)

    def look_at_replicas(self) -> None:
        """Ask for the replicas that the next write may have to wait for, beside that write."""
        self._session.look_at_replicas(self.run_id)

    async def call_marks(self) -> CallMarks:
        """What is stored of the run's tool calls."""
        return CallMarks(await self._runner.hash_fields(self._keys.calls(self.run_id)))

    async def step_body(self, step: int | None) -> dict[str, Any]:
        """The body of a step of the run."""
        stored = await self._runner.command("HGET", self._keys.steps(self.run_id), step)
        body: dict[str, Any] = from_json(stored)
        return body

    def _token_and_serial(self) -> tuple[str, ...]:
        return ("HMGET", self._keys.run(self.run_id), "token", "serial")
