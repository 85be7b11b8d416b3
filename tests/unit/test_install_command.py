"""How errors tell users to install an extra: from the repository that the metadata names."""

from __future__ import annotations

from pathlib import Path

import pytest

from threadmill_shared.log_text import install_command

PLACE = "in the folder that holds your clone"
URL = "https://git.example.org/threadmill.git"


def install(folder: Path, *project_urls: str) -> None:
    """The metadata of an installed threadmill."""
    info = folder / "threadmill-0.1.0.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: threadmill", "Version: 0.1.0"]
    lines += [f"Project-URL: {entry}" for entry in project_urls]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder of the path, where the metadata is looked for."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("label", ["Repository", "repository", "Source"])
def test_it_installs_from_the_repository_that_the_metadata_names(site: Path, label: str) -> None:
    install(site, "Documentation, https://docs.example.org", f"{label}, {URL}")
    assert install_command("worker") == f"pip install 'threadmill[worker] @ git+{URL}'"


@pytest.mark.parametrize("urls", [(), ("Documentation, https://docs.example.org",)])
def test_without_a_repository_it_installs_from_a_clone(site: Path, urls: tuple[str, ...]) -> None:
    install(site, *urls)
    assert install_command("worker") == f"pip install './threadmill[worker]' {PLACE}"


def test_packages_that_are_not_installed_are_those_of_a_clone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.path", [])
    assert install_command("flower") == f"pip install './threadmill[flower]' {PLACE}"
