"""`docs/doctor.md` lists every check that the code makes, with what helps."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.pages import page

from threadmill.inspection import doctor
from threadmill.inspection.doctor.finding import STATES
from threadmill.inspection.doctor.reachability import NamedServer, unreachable
from threadmill_shared.servers import failures
from threadmill_shared.servers.failures import Failure

FOLDER = Path(doctor.__file__).parent
_AREAS = r"(?:provider|broker|workers|queues|runs|lists|gateway)"
_NAME = re.compile(rf"\"({_AREAS}\.[a-z_]+)\"|{{(?:server\.)?name}}\.([a-z_]+)\"")


def checks() -> set[str]:
    """The names of all findings; of a server they begin with `redis`."""
    found = set()
    for file in FOLDER.glob("*.py"):
        for whole, of_server in _NAME.findall(file.read_text()):
            found.add(whole or f"redis.{of_server}")
    return found


def test_every_check_is_listed() -> None:
    listed = set(re.findall(r"`([a-z]+\.[a-z_]+)`", page("doctor")))
    assert len(checks()) > 12
    assert checks() <= listed
    rows = re.findall(r"^\| `([a-z]+\.[a-z_]+)`", page("doctor"), re.MULTILINE)
    assert set(rows) <= checks()


def test_every_state_is_explained() -> None:
    assert all(f"| `{state}` |" in page("doctor") for state in STATES)


def test_every_reason_why_a_server_cannot_be_used_has_its_cure() -> None:
    server = NamedServer("redis", "THREADMILL_REDIS_URL", "host:6379")
    for kind in failures.FailureKind.__args__:
        found = unreachable(server, Failure(kind, "it is so"))
        assert found.state == "error"
        assert found.cure.endswith(".")
        assert "{" not in found.cure
