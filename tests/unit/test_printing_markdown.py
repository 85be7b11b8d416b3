"""What a model writes is shown as it was written, unless it is Markdown that the model means."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console
from tests.support.run_playback import message

from threadmill.printing.cards import MessageCard
from threadmill.printing.markdown import Blocks, blocks_of
from threadmill.printing.panels import MessageView
from threadmill.printing.renderer import Renderer


def shown(text: str, width: int = 400) -> str:
    """The text as it is drawn, without colours."""
    console = Console(width=width, color_system=None, force_terminal=True)
    with console.capture() as captured:
        console.print(Blocks(blocks_of(text)))
    return "\n".join(line.rstrip() for line in captured.get().split("\n")).strip("\n")


def styles(text: str) -> dict[str, str]:
    """The styled pieces of a text, with their styles."""
    console = Console(width=400, color_system="truecolor", force_terminal=True)
    parts = [part for line in console.render_lines(Blocks(blocks_of(text))) for part in line]
    return {
        part.text.strip(): str(part.style) for part in parts if part.style and part.text.strip()
    }


LITERAL = [
    "Put it into __init__.py and call __main__.main().",
    "__init__",
    "__init__ and __main__",
    "Call __init__() or obj.__call__(x), then self.__dict__.",
    'if __name__ == "__main__": main()',
    "(__init__), [__all__], __a__, __b__.",
    "snake_case_name, a_b_c, trailing_, _private, __dunder, _a_b_",
    "C:\\_temp\\_x\\ and \\\\server\\_share_\\*.txt",
    r"Then \(x^2\) and \[y\]; \{a\} \_ \* \# \` \\ \!",
    r"\frac{a}{b} \sum_{i=1}^n x_i y_i, $a_1*b_1*c_1$, a^*b^*",
    "2*3*4 is 24, 2**3**4 too, a*b*c, 2*x + 3*y, x**2 + y**2, (a)*(b)*(c)",
    "**kwargs, *args; f(*args, **kwargs); print(**a, **b); *p = *q",
    "src/**/*.py **/*.ts a/*/b/*/c *.md *.txt",
    "5 * 3 * 2 and 5 ** 3 ** 2",
    "<div>text</div> <b>x</b> <!-- y --> <br/> a < b > c <Component prop={1}>",
    "&lt;div&gt; R&amp;D &copy; &nbsp; &#65;",
    "names[i](x), handlers[name](event), a[0](b)(c), [link](x), [a]()",
    "[a]: not a target",
    "[1]: http://a.b",
    "vector<std::string>, Name <a@b.org>, List<a:b>",
    "~/a~~b~~c ~x~ a~b",
    "1986. It was a year.",
    "3) third",
    "x\n=",
    "foo[bar][baz](qux.quux)",
    "+ 3",
    "Title\n=====",
    "#hashtag #1 C#",
    "#",
    "1.",
    ">",
    "a\\",
    "a \\\nb",
    "100% | 5 | 6",
    "it's 5' 6\" -- yes... (c) (tm) +-",
    "\\\\",
    "- [ ] task",
    "![x](y)",
    "* ",
    "```",
]


@pytest.mark.parametrize("text", LITERAL)
def test_what_is_no_markdown_is_shown_as_it_was_written(text: str) -> None:
    assert shown(text).strip() == text.replace("- [", "• [").strip()


@pytest.mark.parametrize("text", LITERAL)
def test_it_is_so_in_lists_quotes_tables_and_emphasis_too(text: str) -> None:
    line = text.split("\n", maxsplit=1)[0].strip()
    if not any(map(str.isalpha, line)) or line[:1] in "#>1-3*" or "|" in text:
        return
    for frame in ("- {}", "> {}", "See {} there", "| a |\n|---|\n| {} |", "1. {}", "## {}"):
        assert line in shown(frame.format(line)), frame


@pytest.mark.parametrize(
    ("text", "piece", "style"),
    [
        ("a **bold** word", "bold", "bold"),
        ("**bold**", "bold", "bold"),
        ("**Note:** text", "Note:", "bold"),
        ("(**bold**), «**other**»", "bold", "bold"),
        ("**two words**.", "two words", "bold"),
        ("__two words__", "two words", "bold"),
        ("an *italic* word", "italic", "italic"),
        ("an _italic_ word, _two words_.", "italic", "italic"),
        ("an _italic_ word, _two words_.", "two words", "italic"),
        ("***both***", "both", "italic"),
        ("**bold and *both* at once**", "both", "italic"),
        ("**Yes**/**No**", "No", "bold"),
        ("これは**重要**です", "重要", "bold"),
        ("a ~~struck~~ word", "struck", "strike"),
        ("a `code` word", "code", "cyan"),
        ("**`code`** word", "code", "cyan"),
        ("# Title", "Title", "bold"),
        ("2*3*4 and **bold**", "bold", "bold"),
        ("**see __init__.py**", ".py", "bold"),
        ("- **a_b:** x", "a_b:", "bold"),
    ],
)
def test_what_is_meant_as_markdown_is_drawn(text: str, piece: str, style: str) -> None:
    found = styles(text)
    assert piece in found, found
    assert style in found[piece]
    assert "**" not in "".join(found)


def test_a_list_is_numbered_as_it_was_written() -> None:
    assert shown("1. a\n2. b\n3. c") == " 1. a\n 2. b\n 3. c"
    assert shown("9) a\n10) b") == "  9) a\n 10) b"
    assert shown("10. a\n20. b") == " 10. a\n 20. b"
    assert shown("1. a\n1. b\n1. c") == " 1. a\n 2. b\n 3. c"


def test_links_and_pictures_keep_their_addresses_and_titles() -> None:
    assert shown("[a](https://x.y/Größe)") == "a (https://x.y/Größe)"
    assert shown("[1](https://x.y)[2](/z)") == "1 (https://x.y)2 (/z)"
    assert shown('[a](https://x.y "title")') == 'a (https://x.y "title")'
    assert shown("[a](/docs/x.md) [b](mailto:a@b.c)") == "a (/docs/x.md) b (mailto:a@b.c)"
    assert shown('![a](x.png "t")') == 'a (x.png "t")'
    assert shown("See <https://x.y>.") == "See https://x.y."
    assert shown("[a](javascript:x)") == "[a](javascript:x)"


def test_cells_that_a_table_has_no_column_for_are_shown() -> None:
    text = "| a | b |\n|---|---|\n| 1 | 2 | third |"
    assert "third" in shown(text)
    assert "third" not in shown("| a | b |\n|---|---|\n| 1 | 2 |")


WORDS = st.lists(
    st.sampled_from(
        [
            *("__init__.py", "2*3*4", r"\(x\)", r"\[y\]", r"C:\_temp", "snake_case", "**kwargs"),
            *("a*b", "f(*x)", "f[i](x)", "__a__", "x_1", "~/a", "&lt;", "a~~b", "plain", "é_ü_"),
            *("5.", "<div>"),
        ]
    ),
    min_size=1,
    max_size=8,
)


@given(WORDS, st.sampled_from(["\n", " "]))
def test_a_text_without_markdown_loses_nothing(words: list[str], between: str) -> None:
    text = between.join(words)
    assert "".join(shown(text).split()) == "".join(text.split())


@given(st.text(st.sampled_from("ab1 _*`~\\[](){}<>&;#|.-+=!\n"), max_size=40))
def test_no_text_loses_a_word(text: str) -> None:
    assume(text.strip())
    for letter in "ab1(){};&":
        assert shown(text, 60).count(letter) >= text.count(letter) - text.count("\\|"), letter


@pytest.mark.parametrize("seed", range(5))
def test_it_does_not_matter_how_the_text_was_cut_while_it_was_streamed(seed: int) -> None:
    chance = random.Random(seed)
    text = "\n\n".join(one for one in LITERAL if any(map(str.isalpha, one)))
    renderer = Renderer("utf-8")

    def drawn(cuts: int) -> str:
        card = MessageCard.of(message("", "assistant"))
        view, lines = MessageView(card, renderer), []
        edges = sorted(chance.sample(range(len(text)), cuts))
        for a, b in zip([0, *edges], [*edges, len(text)], strict=True):
            card.parts.append(text[a:b])
            lines += view.settle(200)
        return "\n".join(lines + view.lines(200))

    assert drawn(40) == drawn(0)
