"""Flower for threadmill: behind a password, read-only, and blind to what users say.

Started as `python -P -m threadmill_workers.flower` (`-P`: modules in the current folder cannot
take the place of Flower's). Every option of Flower's can be given as `FLOWER_<OPTION>` or on the
command line; Flower's own configuration file, which it would execute from the current folder, is
not read.
"""

from __future__ import annotations

import logging
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery
from celery.events import EventReceiver
from flower.app import Flower
from flower.command import apply_env_options, extract_settings, setup_logging
from flower.events import Events
from flower.options import options
from flower.urls import settings as web_settings
from flower.views import monitor
from tornado.ioloop import IOLoop
from tornado.web import authenticated

from threadmill_shared import errors
from threadmill_shared.broker.app import ONE_TRY
from threadmill_shared.broker.broker_check import check_broker
from threadmill_shared.broker.broker_health import BrokerHealth
from threadmill_shared.broker.declarations import declared
from threadmill_shared.broker.queues import Queues
from threadmill_shared.broker.task_labels import is_label
from threadmill_shared.settings import Settings, load_settings
from threadmill_workers.logs.libraries import quiet_libraries
from threadmill_workers.logs.setup import formatter, logs_json

logger = logging.getLogger("threadmill.flower")

LOOPBACK = "127.0.0.1"
RETRY_SECONDS = 2.0
"""Between two tries to watch a broker that cannot be used."""
TASK_COLUMNS = "name,state,exception,uuid,kwargs,received,runtime,worker"
"""Of the list of tasks; `kwargs` has a run's thread, assistant and id."""

_SHOWN = {
    "result": re.compile(r"completed|incomplete|'run_[0-9a-f]{32}'"),
    "exception": re.compile(
        r"\w{1,60}\('(server_error|rate_limit_exceeded|invalid_prompt|refused)'\)"
        r"|parked|given back|taken over"
    ),
}
"""What may be remembered of what a task has come to: words of ours, and no others."""

_ONLY_IDS = re.compile(r"[(\[{]((('[a-z_]+': )?'(run|thread)_[0-9a-f]{32}'(, |,)?)*)[)\]}]")
"""An argument list, as Celery prints it, in which every value is a run's or a thread's id."""


def ids_only(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return Celery's event without what a user, a tool or a failing call has put into it.

    Arguments that are ids stay, because they lead from a task to its run. The event is judged by
    its content and not by its task's name: other services share the broker, and a service that
    sends `threadmill.say` may announce the user's message itself (`task_send_sent_event`).
    """
    kept = {field: value for field, value in event.items() if field != "traceback"}
    for field, shown in _SHOWN.items():
        if field in kept and not shown.fullmatch(str(kept[field])):
            del kept[field]
    for field in ("args", "kwargs"):
        if field in kept and not _may_be_shown(str(kept[field])):
            kept[field] = "hidden"
    return kept


def _may_be_shown(arguments: str) -> bool:
    return _ONLY_IDS.fullmatch(arguments) is not None or is_label(arguments)


class IdsOnlyEvents(Events):  # type: ignore[misc]  # Flower ships no types
    """Flower's memory of what happened, to which no user's text is admitted."""

    def __init__(self, *args: Any, health: BrokerHealth, **options: Any) -> None:
        """As Flower's own; `health` logs whether the broker can be used."""
        super().__init__(*args, **options)
        self._health = health

    def run(self) -> None:
        """Receive events for ever; Flower itself would wait longer and longer, and log each try."""
        while True:
            try:
                self._receive()
            except Exception as error:  # noqa: BLE001  each transport has errors of its own
                self._health.note_unwatched(error)
            time.sleep(RETRY_SECONDS)

    def _receive(self) -> None:
        with self.capp.connection() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
            receiver = EventReceiver(connection, handlers={"*": self.on_event}, app=self.capp)
            self._health.note_success()
            receiver.capture(limit=None, timeout=None, wakeup=True)

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Remember the event; called by Flower's receiver thread."""
        super().on_event(ids_only(event))


class Metrics(monitor.Metrics):  # type: ignore[misc]  # Flower ships no types
    """Flower's Prometheus endpoint, behind the password like all other pages."""

    @authenticated
    async def get(self) -> None:
        """The metrics, as Flower has them."""
        await super().get()


def read_options(argv: Sequence[str]) -> None:
    """Set Flower's options: safe defaults, then the environment, then the command line.

    Raises:
        NotConfigured: there is no password, so that everybody could look in.
    """
    options.read_only = True
    options.tasks_columns = TASK_COLUMNS
    apply_env_options()
    options.parse_command_line(list(argv))
    _format_logs()
    options.address = options.address or LOOPBACK
    if not all(_is_credential(entry) for entry in options.basic_auth or [""]):
        raise errors.NotConfigured(
            "Flower needs a password. Set FLOWER_BASIC_AUTH to USER:PASSWORD."
        )
    extract_settings()
    setup_logging()
    _format_logs()  # those that it has added, too


def build(settings: Settings, health: BrokerHealth | None = None) -> Flower:
    """Build the Flower that watches these settings' broker, from the options as they are set.

    Args:
        settings: with the broker's URL.
        health: logs whether the broker can be used; None: a new one.

    Raises:
        NotConfigured: the broker's URL cannot be read, or Celery cannot use it.
    """
    broker = settings.celery_settings()
    app = Celery("threadmill", broker=broker["broker_url"], set_as_current=False)
    app.conf.update(broker, task_serializer="json", accept_content=["json"])
    # A frozen or vanished broker does not answer; it is detected after this time.
    app.conf.broker_transport_options = {**ONE_TRY, **app.conf.broker_transport_options}
    # What Flower shows as long as no worker has told which queues it consumes.
    queues = Queues(settings.namespace)
    app.conf.task_default_queue = queues.common
    app.conf.task_queues = [declared(name) for name in (queues.begun, queues.door)]
    _secure_management(app)
    loop = IOLoop.current()
    events = IdsOnlyEvents(
        app,
        io_loop=loop,
        health=BrokerHealth(broker["broker_url"]) if health is None else health,
        db=options.db,
        persistent=options.persistent,
        state_save_interval=options.state_save_interval,
        enable_events=options.enable_events,
        max_workers_in_memory=options.max_workers,
        max_tasks_in_memory=options.max_tasks,
    )
    flower = Flower(capp=app, options=options, events=events, io_loop=loop, **web_settings)
    _forget_task_lists(flower)
    _protect_metrics(flower)
    return flower


def _protect_metrics(flower: Flower) -> None:
    """Answer for Flower's own handler, which asks for no password."""
    prefix = (options.url_prefix or "").strip("/")
    path = f"/{prefix}/metrics" if prefix else "/metrics"
    flower.add_handlers(".*", [(re.escape(path), Metrics)])


def _format_logs() -> None:
    """Log in the format of workers, to wherever Flower's options say."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter(""))
    quiet_libraries()
    for name in ("flower.inspector", "flower.events"):
        logging.getLogger(name).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """False for what is reported again and again, and seen or logged otherwise.

    That no worker has answered is four failures for every look at a page, which shows that there
    is none; that the broker does not answer is one every five seconds.
    """
    return record.msg not in ("Inspect method %s failed", "Failed to enable events: %s")


def _secure_management(app: Celery) -> None:
    """Ask RabbitMQ's management API over TLS too; Flower would send it the password in plain."""
    with app.connection() as connection:
        if connection.transport_cls == "amqps" and not options.broker_api:
            options.broker_api = f"https://{connection.hostname}:15671/api/"


def _forget_task_lists(flower: Flower) -> None:
    """Ask workers for no lists of tasks: they come with raw arguments, past the events."""
    inspector = flower.inspector
    inspector.inspect_methods = tuple(
        method
        for method in inspector.inspect_methods
        if method not in inspector.task_inspect_methods
    )


def run_flower() -> None:
    """Run Flower until SIGTERM or SIGINT."""
    try:
        flower = _prepare()
    except errors.NotConfigured as error:
        if not logs_json():
            sys.exit(str(error))
        logger.critical("Flower cannot start: %s", error)
        sys.exit(1)
    port = flower.start_http_server()
    logger.info("Flower listens on http://%s:%s", options.address, port)
    for stop in (signal.SIGTERM, signal.SIGINT):
        flower.io_loop.asyncio_loop.add_signal_handler(stop, flower.stop)
    flower.start()


def _prepare() -> Flower:
    read_options(sys.argv)
    settings = load_settings()
    health = BrokerHealth(settings.celery_settings()["broker_url"])
    if (error := check_broker(settings)) is not None:
        health.note_unwatched(error)
    return build(settings, health)


def _is_credential(entry: str) -> bool:
    user, _, password = entry.partition(":")
    return bool(user and password)


main = run_flower
"""The former name, by which others may import it."""


if __name__ == "__main__":
    run_flower()
