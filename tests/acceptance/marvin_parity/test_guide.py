"""The guide's examples, which are one program."""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance.marvin_parity.conftest import Play
from tests.support.paths import ROOT

EXAMPLES = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "docs" / "guide.md").read_text(), re.MULTILINE | re.DOTALL
)


def test_the_guides_examples_do_what_it_says(play: Play, tmp_path: Path) -> None:
    (tmp_path / "figures.csv").write_text("1,2,3\n")
    printed = play("\n".join(EXAMPLES))
    orders = '["order 1 of Zaphod","order 2 of Zaphod","order 3 of Zaphod"]'
    for line in (
        "User: Hello, Marvin!",
        "user None I have two questions.",
        "completed",
        f"tool_calls {[('look_up', 'tea is a word'), ('orders', orders)]}",
        'refund {"order":7}',
        "refund answered: order 7 was paid back.",
        "look_up -> milk is a word",
        "town 1",
        "True",
        "[PosixPath('results/sine.png')]",
        "thread.run.completed",
    ):
        assert line in printed, "\n".join(printed)
