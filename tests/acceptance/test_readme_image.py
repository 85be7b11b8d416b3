"""The picture in the README: it can be made anew, and shows what is printed now."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from docs.images.make import IMAGE, ROOT, main

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = tmp_path_factory.mktemp("images") / "say.svg"
    main(image)
    return image


def shown(image: Path) -> str:
    """Its text, as a reader sees it."""
    lines: dict[str, str] = {}
    for text in ET.parse(image).iter(f"{SVG}text"):
        at = text.get("y", "")
        lines[at] = lines.get(at, "") + (text.text or "").replace("\xa0", " ").strip("\n")
    return "\n".join(lines.values())


def test_the_picture_shows_the_example_as_it_is_printed_now(made: Path) -> None:
    text = shown(made)
    for words in ("$ python dice.py", "Please roll five dice", "✓", "roll_dice", "That makes"):
        assert words in text
    assert text == shown(IMAGE), "make it anew: python -m docs.images.make"


@pytest.mark.parametrize("image", ["made", "kept"])
def test_the_picture_loads_nothing_and_names_no_machine(image: str, made: Path) -> None:
    svg = (made if image == "made" else IMAGE).read_text()
    assert set(re.findall(r"https?://[^\"'<>\s]+", svg)) == {
        "http://www.w3.org/2000/svg",  # a name, not an address
        "https://www.textualize.io",  # in a comment
    }
    assert "font-face" not in svg
    assert socket.gethostname() not in svg
    assert len(svg) < 20_000


def test_the_readme_shows_it() -> None:
    assert f"]({IMAGE.relative_to(ROOT)})" in (ROOT / "README.md").read_text()
