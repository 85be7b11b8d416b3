import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from threadmill_shared.errors import BadTemplate, CallerError
from threadmill_shared.instructions import sandbox
from threadmill_shared.instructions.sandbox import render
from threadmill_shared.instructions.templates import MAX_RENDERED, has_syntax, render_plain


class Assistant:
    """What a template gets as `self_`, with things in it that it must not reach."""

    name = "Marvin"
    metadata = {"mood": "low", "tags": ["a", "b"]}  # noqa: RUF012

    def __init__(self) -> None:
        self.tools = [SimpleNamespace(name="cry"), SimpleNamespace(name="sob")]
        self.planet = "Magrathea"
        self.deleted = False

    def delete(self) -> None:
        self.deleted = True

    @property
    def broken(self) -> str:
        raise RuntimeError("no planet")


def rendered(template: str, **context: Any) -> str:
    return render(template, self_=Assistant(), context=context)


def refusal(template: str, **context: Any) -> str:
    with pytest.raises(BadTemplate) as caught:
        rendered(template, **context)
    return str(caught.value)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("You are Marvin.", "You are Marvin."),
        ("", ""),
        ("{{ self_.name }} of {{ self_.planet }}", "Marvin of Magrathea"),
        ("{{ self_.tools | map(attribute='name') | join(', ') }}", "cry, sob"),
        ("{% if self_.metadata.mood == 'low' %}Sigh.{% else %}Hi.{% endif %}", "Sigh."),
        ("{% for tool in self_.tools %}{{ loop.index }}{{ tool.name }} {% endfor %}", "1cry 2sob "),
        ("{{ context.user }} {{ '<b> & c' }}", "eve <b> & c"),
        ("{{ context.missing | default('nobody') }}", "nobody"),
        ("{{ self_.name.upper() }} {{ '{} {}'.format(1, 2) }}", "MARVIN 1 2"),
        ("{% for k, v in self_.metadata.items() %}{{ k }} {% endfor %}", "mood tags "),
        ("{% macro hi(who) %}Hi {{ who }}{% endmacro %}{{ hi(context.user) }}", "Hi eve"),
        ("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}", "ab"),
        ("{% set ns = namespace(n=1) %}{% set ns.n = 2 %}{{ ns.n }}", "2"),
        ("{% for i in [1, [1]] recursive %}{{ i if i == 1 else loop(i) }}{% endfor %}", "11"),
        ("{{ range(3) | list }} {{ 'ab' * 2 }}", "[0, 1, 2] abab"),
        ("{{ 2 ** 10 }} {{ 2 ** 0.5 > 1 }} {{ 2 ** -1 }} {{ 1.5 * 2 }}", "1024 True 0.5 3.0"),
    ],
)
def test_templates_are_filled_in(template, text):
    assert rendered(template, user="eve") == text


def test_a_wrong_template_is_the_callers_error():
    assert issubclass(BadTemplate, CallerError)
    assert issubclass(BadTemplate, ValueError)


@pytest.mark.parametrize(
    ("template", "line", "words"),
    [
        ("a\n{% if %}", 2, "cannot be read as a template"),
        ("a\n\n{{ name", 3, "{% raw %}"),
        ("{% endfor %}", 1, "endfor"),
        ("{{ 1 | nothing }}", 1, "No filter named 'nothing'"),
        ("a\n{{ name }}", 2, "'name' is undefined. Available are `self_`"),
        ("a\nb\n{{ context.user }}", 3, "default('...')"),
        ("{{ self_.nmae }}", 1, "no attribute 'nmae'"),
        ("{% if context.user %}{% endif %}", 1, "no attribute 'user'"),
        ("a\n{{ name() }}", 2, "'name' is undefined"),
        ("a\n{{ 1 / 0 }}", 2, "ZeroDivisionError: division by zero"),
        ("a\n{{ self_.broken }}", 2, "RuntimeError: no planet"),
        ("a\n{% macro m() %}\n{{ name }}{% endmacro %}\n{{ m() }}", 3, "'name' is undefined"),
        ("{% include 'secrets' %}", 1, "no loader"),
        ("{% import 'os' as os %}", 1, "no loader"),
    ],
)
def test_errors_name_the_line_and_what_to_do(template, line, words):
    text = refusal(template)
    assert text.startswith(f"Line {line} of the instructions")
    assert words in text


@pytest.mark.parametrize(
    "template",
    [
        "{{ self_.__class__ }}",
        "{{ self_.__init__.__globals__ }}",
        "{{ self_.delete.__globals__ }}",
        "{{ self_.delete.__func__ }}",
        "{{ self_['__class__'] }}",
        "{{ self_ | attr('__class__') }}",
        "{{ self_.tools | map(attribute='__class__') | first }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ context.__class__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ range.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ '{0.__class__}'.format(self_) }}",
        "{{ '{a.__class__}'.format_map({'a': self_}) }}",
        "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
    ],
)
def test_nothing_private_can_be_reached(template):
    assert "unsafe" in refusal(template, user="eve")


@pytest.mark.parametrize(
    "template",
    [
        "{{ self_.tools.append(1) }}",
        "{{ self_.tools.clear() }}",
        "{{ self_.tools.sort() }}",
        "{{ self_.metadata.update({'mood': 'high'}) }}",
        "{{ self_.metadata.pop('mood') }}",
        "{{ self_.metadata.tags.append('c') }}",
        "{{ context.clear() }}",
        "{% set self_.name = 'Eve' %}",
        "{{ self_['tools']['append'](1) }}",
        "{{ (self_.tools | attr('append'))(1) }}",
    ],
)
def test_nothing_can_be_changed(template):
    assistant, context = Assistant(), {"user": "eve"}
    with pytest.raises(BadTemplate):
        render(template, self_=assistant, context=context)
    assert [tool.name for tool in assistant.tools] == ["cry", "sob"]
    assert assistant.metadata == {"mood": "low", "tags": ["a", "b"]}
    assert (assistant.name, context) == ("Marvin", {"user": "eve"})


@pytest.mark.parametrize(
    "template",
    [
        "{{ self_.delete() }}",
        "{% set f = self_.delete %}{{ f() }}",
        "{% call self_.delete() %}{% endcall %}",
        "{{ self_['delete']() }}",
        "{{ (self_ | attr('delete'))() }}",
    ],
)
def test_methods_of_what_is_passed_in_are_not_called(template):
    assistant = Assistant()
    with pytest.raises(BadTemplate, match="calling 'delete' is not allowed"):
        render(template, self_=assistant, context={})
    assert not assistant.deleted


@pytest.mark.parametrize(
    "callee", [open, print, eval, Assistant, threading.Lock().acquire, dict.fromkeys, lambda: 1]
)
def test_functions_and_classes_are_not_called(callee):
    assert "is not allowed" in refusal("{{ context.f('x') }}", f=callee)


def test_a_refused_call_does_not_tell_what_the_object_holds():
    class WorkerIdentity:
        def __repr__(self) -> str:
            return "secret"

        def method(self) -> None: ...

    assert "secret" not in refusal("{{ context.holder.method() }}", holder=WorkerIdentity())


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10 ** 9 }}",
        "{{ 10 ** 9 * [1] }}",
        "{{ 10 ** (10 ** 10) }}",
        "{{ (7 ** 9999) ** 9999 }}",
        "{% for i in range(10 ** 6) %}{% endfor %}",
        "{% for i in range(99999) %}0123456789{% endfor %}",
        "{% set a = 'x' * 200000 %}{{ a }}{{ a }}",
        "{{ lipsum(n=1000) }}",
        "{{ " + "(" * 5000 + ")" * 5000 + " }}",
        "{% for i in [1] %}" * 30 + "{% endfor %}" * 30,
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_what_would_take_too_much_is_refused(template):
    assert refusal(template)


def test_the_result_may_be_as_large_as_its_limit_in_bytes():
    half = "ü" * (MAX_RENDERED // 2)
    assert rendered("{{ context.text }}", text=half) == half
    assert str(MAX_RENDERED) in refusal("{{ context.text }}x", text=half)


def test_a_template_is_compiled_once():
    sandbox._compiled.cache_clear()
    for user in ("eve", "bob"):
        assert rendered("Hi {{ context.user }}", user=user) == f"Hi {user}"
    assert sandbox._compiled.cache_info().misses == 1


def test_templates_are_rendered_in_many_threads_at_once():
    results = {}

    def work(number):
        results[number] = {rendered("{{ context.n }}", n=number) for _ in range(200)}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: {str(number)} for number in range(4)}


@given(st.text(st.sampled_from("ab {}%#\n\r\t\x0b\x0c\u2028é-")))
def test_a_template_without_syntax_is_rendered_as_jinja_would(template: str) -> None:
    assume(not has_syntax(template))
    assert render_plain(template) == rendered(template)


def test_a_template_without_syntax_has_the_same_limit() -> None:
    assert render_plain("é" * (MAX_RENDERED // 2)) == "é" * (MAX_RENDERED // 2)
    with pytest.raises(BadTemplate, match="exceed"):
        render_plain("é" * (MAX_RENDERED // 2 + 1))
