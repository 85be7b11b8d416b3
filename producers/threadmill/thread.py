"""A conversation."""

from __future__ import annotations

import builtins
import copy
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, Unpack

import threadmill.runs
from threadmill import handlers, runs
from threadmill.client.context_manager import ContextManager
from threadmill.client.current import current_client, current_settings
from threadmill.client.operations import awaitable, blocking, drive, drive_async
from threadmill_shared import errors, ids, records
from threadmill_shared.records.texts import check_key, checked_metadata

if TYPE_CHECKING:
    from threadmill_shared.records.thread import ThreadRecord


class Thread(ContextManager):
    """One conversation: an ordered list of messages, and what the assistant did between them.

    A new thread is stored at its first use. While a run holds it, nothing else can write to it.
    """

    def __init__(
        self,
        id: str | None = None,
        key: str | None = None,
        metadata: dict[str, str] | None = None,
        tool_resources: dict[str, Any] | None = None,
    ) -> None:
        """A handle of a thread.

        Args:
            id: an existing thread's; None: a new one.
            key: your own name for it, such as a Slack channel's; the same key is the same thread.
            metadata: stored if this handle creates the thread; or by `save`. `refresh` reads it.
            tool_resources: likewise: files and vector stores for its runs' hosted tools, in the
                Assistants API's form.

        Raises:
            ThreadNotFound: the id is not a valid thread id.
            BadTool: the resources are of another form.
            TypeError: both id and key are given, or one is of the wrong type.
            CallerError: the key is not valid Unicode.
        """
        if id is not None and key is not None:
            raise TypeError("Give a thread's id or its key, not both.")
        self.key = key
        self.metadata: dict[str, str] = checked_metadata(metadata or {}, "A thread's")
        self.tool_resources = _checked_tool_resources(tool_resources)
        """None: as they are stored, which `refresh` reads."""
        self.created_at: int | None = None
        """Seconds since the epoch, like the next one; None on a handle that no list has made."""
        self.active_at: int | None = None
        """When it was active last."""
        self._is_known = id is not None
        self._is_new = id is None and key is None
        """No other process can know it; `with` removes it."""
        self._depth = 0
        """How many `with` blocks are entered."""
        self._depth_lock = threading.Lock()
        if id is not None:
            self.id = ids.checked_thread_id(id)
        elif key is not None:
            check_key(key, "A thread's key")
            self.id = ids.keyed_thread_id(current_settings().namespace, key)
        else:
            self.id = ids.new_thread_id()

    def __repr__(self) -> str:
        return f"<Thread {self.id}>"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_depth_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _depth_lock=threading.Lock())  # a lock cannot be copied

    def __reference__(self) -> records.thread.ThreadRef:
        """The thread, and whether it may be created now.

        Raises:
            TypeError, CallerError: its metadata or resources were changed, and cannot be stored.
        """
        metadata = None if self._is_known else checked_metadata(self.metadata, "A thread's")
        resources = None if self._is_known else _checked_tool_resources(self.tool_resources)
        return records.thread.ThreadRef(
            self.id,
            create=not self._is_known,
            metadata=metadata,
            key=self.key,
            tool_resources=resources,
        )

    # ---- operations ------------------------------------------------------------------------------

    async def _create(self, messages: Sequence[str | Mapping[str, Any]] | None = None) -> Self:
        """Store the thread now, with these messages; returns the handle.

        Args:
            messages: texts of the user, or mappings with `role`, `content` (a text, or parts in the
                Assistants API's form), `attachments` and `metadata`.

        Raises:
            ThreadLocked: the thread exists, and a run holds it.
            BadMessage, TooLarge: a message is invalid; nothing is stored.
        """
        if isinstance(messages, str):
            raise TypeError("messages must be a list of texts, not one text: [text].")
        await runs.threads.add_messages(self.__reference__(), messages or [])
        return self

    create = blocking(_create)
    create_async = awaitable(_create)

    async def _refresh(self) -> Self:
        """Read the stored thread's metadata and tool resources into this handle; returns it.

        Raises:
            ThreadNotFound: the thread is not stored.
        """
        record = await runs.threads.read_thread(self.id)
        self.metadata, self.tool_resources = record.metadata, record.tool_resources
        return self

    refresh = blocking(_refresh)
    refresh_async = awaitable(_refresh)

    async def _save(self) -> Self:
        """Store this handle's metadata and tool resources, replacing what is stored.

        Returns the handle. A run that holds the thread does not matter.

        Raises:
            ThreadNotFound: the thread is not stored.
            BadTool: the resources have another form.
            TypeError, CallerError: the metadata are not a dict of texts.
        """
        metadata = checked_metadata(self.metadata, "A thread's")
        resources = _checked_tool_resources(self.tool_resources)
        threads = current_client().store.threads
        await current_client().call(
            threads.update(self.id, metadata=metadata, tool_resources=resources)
        )
        return self

    save = blocking(_save)
    save_async = awaitable(_save)

    async def _add(
        self,
        message: str | Sequence[Mapping[str, Any]],
        role: str = "user",
        code_interpreter_files: threadmill.runs.attachments.Files = None,
        file_search_files: threadmill.runs.attachments.Files = None,
        image_files: threadmill.runs.attachments.Files = None,
        metadata: dict[str, str] | None = None,
    ) -> threadmill.Message:
        """Add a message.

        Args:
            message: a text, or parts in the Assistants API's form: texts and images.
            role: `user`, or `assistant` for what an assistant has said elsewhere.
            code_interpreter_files: paths of files that the code interpreter can read.
            file_search_files: paths of files that the file search searches.
            image_files: paths of images for the model, or their https URLs.
            metadata: kept with the message.

        Raises:
            ThreadLocked: a run holds the thread; `.run_id` names it.
            ThreadNotFound: there is no thread with this id.
            BadMessage, TooLarge: the message or a file is invalid.
            Unsupported: the provider has no hosted tools that could read its files.
        """
        attached = await runs.attachments.read_files(
            current_client(), code_interpreter_files, file_search_files, image_files
        )
        given = {"role": role, "content": message, "metadata": metadata}
        has_parts = isinstance(message, list | tuple)
        is_plain = not has_parts and role == "user" and metadata is None
        [added] = await runs.threads.add_messages(
            self.__reference__(), [message if is_plain else given], attached
        )
        return added

    add = blocking(_add)
    add_async = awaitable(_add)

    async def _get_messages(
        self,
        limit: int = 20,
        before_message: str | None = None,
        after_message: str | None = None,
        order: records.page.Order = "asc",
        run: threadmill.Run | str | None = None,
    ) -> builtins.list[threadmill.Message]:
        """A page of the thread's messages; by default the newest ones, in ascending order.

        Args:
            limit: how many, 1 to 100.
            before_message: only messages earlier than the one with this id.
            after_message: only later ones; then the first `limit` of these, unless both are given
                and `order` is `desc`.
            order: `asc`, oldest first, or `desc`, newest first.
            run: only messages that this run, or the run with this id, has written.

        Raises:
            ThreadNotFound: there is no thread with this id.
            MessageNotFound: the thread has no message with this id.
        """
        runs.checks.check_limit(limit)
        runs.checks.check_order(order)
        client = current_client()
        if self._is_known:
            await runs.threads.read_thread(self.id)
        page: list[threadmill.Message] = await client.call(
            client.store.threads.messages(
                self.id,
                limit,
                before_message,
                after_message,
                order=order,
                run_id=run if run is None or isinstance(run, str) else run.id,
            )
        )
        return page

    get_messages = blocking(_get_messages)
    get_messages_async = awaitable(_get_messages)

    async def _get_message(self, id: str) -> threadmill.Message:
        """One message of the thread; one that a run writes just now has the text so far.

        Raises:
            MessageNotFound: the thread has no message with this id.
        """
        client = current_client()
        message: threadmill.Message = await client.call(client.store.threads.message(self.id, id))
        return message

    get_message = blocking(_get_message)
    get_message_async = awaitable(_get_message)

    async def _save_message(self, id: str, metadata: dict[str, str]) -> threadmill.Message:
        """Replace the metadata of one of the thread's messages; returns the message.

        Raises:
            ThreadNotFound, MessageNotFound: as their names say.
            TypeError, CallerError: the metadata are not a dict of texts.
        """
        metadata = checked_metadata(metadata, "A message's")
        threads = current_client().store.threads
        await current_client().call(threads.set_message_metadata(self.id, id, metadata))
        return await self._get_message(id)

    save_message = blocking(_save_message)
    save_message_async = awaitable(_save_message)

    async def _delete_message(self, id: str) -> None:
        """Delete one of the thread's messages; further runs do not send it.

        Tool calls and their outputs stay. While a run holds the thread nothing can be deleted.

        Raises:
            ThreadLocked: a run holds the thread; `.run_id` names it.
            ThreadNotFound, MessageNotFound: as their names say.
        """
        client = current_client()
        await client.call(client.store.threads.delete_message(self.id, id))

    delete_message = blocking(_delete_message)
    delete_message_async = awaitable(_delete_message)

    async def _run(
        self,
        assistant: threadmill.runs.handles.AssistantHandle,
        event_handler_class: Any = None,
        event_handler_kwargs: dict[str, Any] | None = None,
        timeout: float | None = None,
        **run_options: Unpack[threadmill.runs.options.SayOptions],
    ) -> threadmill.Run:
        """Run an assistant on the thread as it is; returns when the run has ended.

        Raises:
            RunFailed: the run failed or expired.
            WaitTimeout: it has not ended after `timeout` seconds; it continues.
        """
        _refuse_name(assistant)
        return await handlers.follow.run_and_follow(
            assistant,
            None,
            self,
            runs.options.WaitOptions(event_handler_class, event_handler_kwargs, timeout),
            runs.options.RequestOptions.of(**run_options),
        )

    run = blocking(_run)
    run_async = awaitable(_run)

    async def _enqueue(
        self,
        assistant: threadmill.runs.handles.AssistantHandle,
        when_busy: records.changes.WhenBusy = "queue",
        idempotency_key: str | None = None,
        context: dict[str, Any] | None = None,
        **run_options: Unpack[threadmill.runs.options.EnqueueOptions],
    ) -> threadmill.Run:
        """Run an assistant on the thread; returns as soon as the run is stored."""
        _refuse_name(assistant)
        options = runs.options.RequestOptions.of(
            when_busy=when_busy, idempotency_key=idempotency_key, context=context, **run_options
        )
        from threadmill.run import requested_run  # noqa: PLC0415  it needs the records of runs

        return requested_run(await runs.request.request_run(assistant, None, self, options))

    enqueue = blocking(_enqueue)
    enqueue_async = awaitable(_enqueue)

    async def _runs(
        self, limit: int = 20, before: str | None = None, after: str | None = None
    ) -> builtins.list[threadmill.Run]:
        """A page of the thread's runs, oldest first; by default the newest ones.

        Args:
            limit: how many, 1 to 100.
            before: only runs that were enqueued before the one with this id.
            after: only later ones; then the first `limit` of these.

        Raises:
            RunNotFound: the thread has no run with this id.
        """
        from threadmill.run import stored_run  # noqa: PLC0415  it needs the records of runs

        run_ids = await runs.threads.run_ids(self.id, limit, before, after)
        return [await stored_run(run_id) for run_id in run_ids]

    runs = blocking(_runs)
    runs_async = awaitable(_runs)

    @classmethod
    def list(
        cls,
        *,
        metadata: Mapping[str, str] | None = None,
        since: threadmill.runs.lists.Time | None = None,
        until: threadmill.runs.lists.Time | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> threadmill.Page[Thread]:
        """A page of all threads, the one that was active last first.

        Args:
            metadata: only threads with these values; THREADMILL_INDEX must name each key.
            since: only threads that were active then or later: a datetime with a time zone, or
                seconds since the epoch.
            until: only threads that were active last before.
            limit: how many, 1 to 1000. A page of several values may have fewer and a cursor.
            cursor: the `cursor` of the page before.

        Raises:
            TypeError, ValueError: a value is not one that it may be.
        """
        return drive(_list(metadata=metadata, since=since, until=until, limit=limit, cursor=cursor))

    @classmethod
    async def list_async(
        cls,
        *,
        metadata: Mapping[str, str] | None = None,
        since: threadmill.runs.lists.Time | None = None,
        until: threadmill.runs.lists.Time | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> threadmill.Page[Thread]:
        """Async version of `list`."""
        return await drive_async(
            _list(metadata=metadata, since=since, until=until, limit=limit, cursor=cursor)
        )

    async def _delete(self) -> None:
        """Delete the thread, its messages and its runs.

        Raises:
            ThreadLocked: a run holds it.
            ThreadNotFound: there is no such thread.
        """
        client = current_client()
        await client.call(client.store.threads.delete(self.id))

    delete = blocking(_delete)
    delete_async = awaitable(_delete)

    async def _enter(self) -> Self:
        with self._depth_lock:
            self._depth += 1
        if self._is_new:
            await runs.threads.add_messages(self.__reference__(), [])
        return self

    async def _exit(self, error: BaseException | None) -> None:
        with self._depth_lock:
            self._depth -= 1
            is_outermost = self._depth == 0
        if not (is_outermost and self._is_new):
            return
        try:
            await self._delete()
        except errors.ThreadNotFound:
            return
        except errors.ThreadLocked:
            if error is None:  # else it would hide why the block was left while a run continues
                raise


async def _list(**wanted: Any) -> threadmill.Page[Thread]:
    page = await runs.lists.thread_page(**wanted)
    return records.page.Page(
        [_listed_thread(record) for record in page], page.cursor, page.incomplete
    )


def _listed_thread(record: ThreadRecord) -> Thread:
    thread = Thread(record.id)
    thread.key, thread.metadata = record.key, record.metadata
    thread.tool_resources = record.tool_resources
    thread.created_at = record.created_at // 1000
    thread.active_at = None if record.active_at is None else record.active_at // 1000
    return thread


def _refuse_name(assistant: Any) -> None:
    if isinstance(assistant, str):
        raise TypeError(f"A thread is run by an Assistant. Pass Assistant.load({assistant!r}).")


def _checked_tool_resources(resources: Any) -> dict[str, Any] | None:
    if resources is None:
        return None
    if not isinstance(resources, dict):
        raise TypeError(
            f"A thread's tool_resources must be a dict, not {type(resources).__name__}."
        )
    from threadmill_shared.hosted_tools import checked_resources  # noqa: PLC0415  it needs pydantic

    checked_resources(resources)
    return copy.deepcopy(dict(resources))
