"""`threadmill serve`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from threadmill.cli import signals
from threadmill.cli.worker import LEVELS

if TYPE_CHECKING:
    from threadmill_gateway.app import GatewayApp

GRACE_SECONDS = 6.0
"""How long a worker may take after its drain."""
START_SECONDS = 30.0


@click.command()
@click.argument("modules", metavar="[MODULE]...", nargs=-1)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="THREADMILL_GATEWAY_HOST",
    metavar="HOST",
    help="The address to listen on; others than this machine's own need THREADMILL_API_KEY.",
)
@click.option(
    "--port",
    default=8000,
    show_default=True,
    envvar="THREADMILL_GATEWAY_PORT",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="The port to listen on; 0 is any free one.",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS, case_sensitive=False),
    metavar="LEVEL",
    default="INFO",
    show_default=True,
    help="What is logged to stderr: DEBUG, INFO, WARNING or ERROR.",
)
def serve(modules: tuple[str, ...], host: str, port: int, log_level: str) -> None:
    """Serve the Assistants API, for OpenAI's SDKs and any other client.

    Programs set their base URL to http://HOST:PORT/v1. The workers of the fleet execute the runs.
    If MODULEs are given, or THREADMILL_REDIS_URL is not set, a worker is started, too; without a
    Redis URL also an embedded server, with its data in ./.threadmill/.
    """
    from threadmill_workers import service

    service.begin_logging(log_level)
    with signals.handling(signals.unwind), _redis() as is_embedded:
        if modules or is_embedded:
            with _worker(modules):
                _serve(host, port)
        else:
            _serve(host, port)


def _serve(host: str, port: int) -> None:
    app = _app(host)
    from threadmill_gateway.server import serve as run_server

    with _metrics(app):
        run_server(app, host, port, on_ready=_announcer(app))


def _app(host: str) -> GatewayApp:
    """The application, if it may be served there.

    Raises:
        NotConfigured: a package or the key is missing.
    """
    from threadmill_shared.errors import NotConfigured
    from threadmill_shared.log_text import install_command
    from threadmill_shared.settings import load_settings

    try:
        from threadmill_gateway.app import create_app
        from threadmill_gateway.settings import GatewaySettings, check_address
    except ImportError as error:
        raise NotConfigured(
            f"A gateway needs the {error.name} package: {install_command('gateway')}."
        ) from error
    check_address(host, GatewaySettings.of(load_settings()).key)
    return create_app()


@contextmanager
def _metrics(app: GatewayApp) -> Iterator[None]:
    """Serve metrics for Prometheus if THREADMILL_METRICS_PORT is set."""
    settings = app.gateway.settings
    if settings.metrics_port is None:
        yield
        return
    from threadmill_gateway.metrics.prometheus import PrometheusMetrics
    from threadmill_workers import service

    metrics = PrometheusMetrics(settings.namespace)
    app.gateway.count_in(metrics)
    with service.serving_metrics(metrics.registry, settings.metrics_host, settings.metrics_port):
        yield


def _announcer(app: GatewayApp) -> Callable[[str], None]:
    def announce(url: str) -> None:
        from threadmill_workers import service

        access = (
            "clients need the key of THREADMILL_API_KEY"
            if app.gateway.options.key
            else "without a key: only programs on this machine may use it, and no pages in browsers"
        )
        words = f"gateway ready: base URL {url}/v1; {access}"
        click.echo(service.as_log_line(words) if service.logs_json() else words)

    return announce


@contextmanager
def _redis() -> Iterator[bool]:
    """Redis for this process and its worker; yields whether it is the folder's own."""
    from threadmill_shared.settings import load_settings

    settings = load_settings()
    if settings.redis_url is not None or not settings.embedded:
        settings.store_url()
        yield False
        return
    from threadmill.embedded.server import FOLDER, keep_server

    with keep_server(Path.cwd() / FOLDER) as url:
        os.environ["THREADMILL_REDIS_URL"] = url
        load_settings.cache_clear()
        click.echo(f"embedded server, data in ./{FOLDER}/")
        yield True


@contextmanager
def _worker(modules: Sequence[str]) -> Iterator[None]:
    """A worker for these modules, until the end of the block.

    Raises:
        ClickException: it does not start; its output says why.
    """
    from threadmill.cli.subprocesses import ChildProcesses
    from threadmill_shared.settings import load_settings

    command = [sys.executable, "-P", "-m", "threadmill", "worker", *modules]
    with ChildProcesses(load_settings().drain_seconds + GRACE_SECONDS) as children:
        child = children.start("worker", command, _show_line)
        if child.line_with(" queues ", START_SECONDS) is None:
            raise click.ClickException("The worker has not started; see its lines above.")
        yield


def _show_line(line: str) -> None:
    click.echo(line, err=True)
