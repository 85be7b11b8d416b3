"""The stand-in as a process of its own: `python -m threadmill.testing.standin`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from threadmill.testing.standin import default_brain
from threadmill.testing.standin.records import RecordLog
from threadmill.testing.standin.rules import RULES, Rule, RuleSet
from threadmill.testing.standin.server import Service
from threadmill.testing.standin.serving import run, serve


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m threadmill.testing.standin",
        description="A stand-in for a model provider: OpenAI's Responses API and Chat Completions.",
        epilog=f"What it does with a message:\n{default_brain.__doc__}".replace("`", ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (%(default)s)")
    parser.add_argument(
        "--delay", type=float, default=0.02, help="seconds between tokens (%(default)s)"
    )
    parser.add_argument(
        "--allow", action="append", default=[], metavar="RULE", help="take what this rule refuses"
    )
    parser.add_argument(
        "--refuse", action="append", default=[], metavar="RULE", help="refuse what this rule does"
    )
    parser.add_argument("--rules", action="store_true", help="list the rules, and exit")
    options = parser.parse_args(arguments)
    if options.rules:
        sys.stdout.write("".join(map(_told, RULES)))
        return
    rules = RuleSet()
    try:
        rules.allow(*options.allow)
        rules.refuse(*options.refuse)
    except ValueError as error:
        parser.error(str(error))
    try:
        run(lambda: _serve(options.host, options.port, options.delay, rules))
    except OSError as error:
        parser.exit(1, f"The stand-in cannot listen on {options.host}:{options.port}: {error}\n")


def _told(rule: Rule) -> str:
    default = "" if rule.by_default else "; only with --refuse"
    apis = " and ".join(rule.apis)
    head = f"{rule.name}: {rule.refuses} ({rule.provider}; {apis}; HTTP {rule.status}{default})"
    return f"{head}\n    {rule.source}\n"


async def _serve(host: str, port: int, delay: float, rules: RuleSet) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def tell(port: int) -> None:
        sys.stdout.write(f"stand-in on http://{host}:{port}/v1\n")
        sys.stdout.flush()

    service = Service(default_brain.converse, delay=delay, rules=rules, records=RecordLog(0))
    await serve(service, host, port, stop=stop, on_start=tell)


if __name__ == "__main__":
    main()
