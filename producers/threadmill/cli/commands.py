"""The group of all subcommands."""

from __future__ import annotations

import click

from threadmill.cli.approvals import approve, reject
from threadmill.cli.assistants import assistants
from threadmill.cli.cancel import cancel
from threadmill.cli.chat import chat
from threadmill.cli.demo.command import demo
from threadmill.cli.dev import dev
from threadmill.cli.doctor import doctor
from threadmill.cli.exporting import export
from threadmill.cli.flower import flower
from threadmill.cli.health import health
from threadmill.cli.importing import import_
from threadmill.cli.runs import runs
from threadmill.cli.say import say
from threadmill.cli.serve import serve
from threadmill.cli.show import show
from threadmill.cli.status import status
from threadmill.cli.tail import tail
from threadmill.cli.threads import threads
from threadmill.cli.waiting_calls import approvals
from threadmill.cli.worker import worker
from threadmill.cli.workers import tools, workers

COMMANDS: list[click.Command] = [
    worker,
    dev,
    serve,
    doctor,
    demo,
    say,
    chat,
    status,
    show,
    tail,
    cancel,
    approve,
    reject,
    runs,
    threads,
    approvals,
    assistants,
    tools,
    workers,
    health,
    flower,
    import_,
    export,
]


class InOrder(click.Group):
    """Lists its commands in the order in which a new user meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The names of the commands."""
        return list(self.commands)


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  click's signature
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"threadmill {version('threadmill')}")
        context.exit()


@click.group(
    cls=InOrder,
    commands={str(command.name): command for command in COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def threadmill() -> None:
    """Assistants, threads and runs on your own Celery workers and Redis.

    Settings are environment variables: THREADMILL_REDIS_URL names the store of threads and runs.
    Without it, commands use the embedded server of the current folder, if there is one.
    """
