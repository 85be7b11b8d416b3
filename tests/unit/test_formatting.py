"""The import lines of Marvin's scripts, with the package's name changed and nothing else."""

import threadmill
from threadmill import formatting


def test_the_printing_of_finished_things_is_where_marvin_had_it() -> None:
    for name in formatting.__all__:
        assert getattr(formatting, name) is getattr(threadmill, name)
