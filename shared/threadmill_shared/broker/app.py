"""Celery's app, for sending and for executing."""

from __future__ import annotations

from celery import Celery

from threadmill_shared import errors
from threadmill_shared.broker.declarations import nameless_exchange
from threadmill_shared.broker.queues import Queues
from threadmill_shared.servers.tls import explain
from threadmill_shared.settings import Settings

SEND_SECONDS = 3.0
"""How long one send may take; the broker may be frozen."""
ONE_TRY = {"max_retries": 1, "interval_start": 0}
"""By default kombu would silently try to connect forever."""


def make_app(settings: Settings) -> Celery:
    """The Celery app, for sending and for executing: JSON only, no results, no prefetching."""
    broker = settings.celery_settings()
    app = Celery("threadmill", broker=broker["broker_url"], set_as_current=False)
    app.conf.update(broker)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=Queues(settings.namespace).common,
        task_create_missing_queues=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            # A frozen or vanished broker does not answer; it is detected after this time.
            "socket_timeout": 8.0,
            "health_check_interval": 5,
            "socket_connect_timeout": SEND_SECONDS,
            "socket_keepalive": True,
            **broker.get("broker_transport_options", {}),
        },
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_send_task_events=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    # Celery gives a queue of the nameless exchange its own default one instead; so that is it.
    app.amqp.default_exchange = nameless_exchange()
    return app


def check_certificate(settings: Settings) -> None:
    """Check the broker's certificate; an unreachable broker is not an error.

    Raises:
        NotConfigured: it cannot be verified, or Celery cannot use the broker.
    """
    if not settings.celery_settings().get("broker_use_ssl"):
        return
    try:
        try_broker(settings)
    except Exception as error:  # noqa: BLE001  each transport has errors of its own
        reason = explain(error)
    else:
        return
    if reason is not None:
        raise errors.NotConfigured(f"The broker cannot be used: {reason}.")


def try_broker(settings: Settings) -> None:
    """Connect to the broker once, with little patience; raises what its transport raises.

    Raises:
        NotConfigured: its URL cannot be read.
    """
    app = make_app(settings)
    app.conf.broker_transport_options |= {"socket_timeout": SEND_SECONDS, **ONE_TRY}
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=SEND_SECONDS)
        _ = connection.default_channel
