import gc
import importlib
import pickle
import subprocess
import sys
import textwrap
import threading

import pytest

from threadmill_shared.tools import ToolRegistry, as_tool, tool


class Shop:
    def refund(self, order: int): ...


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Import a module of this source, as a worker would."""
    monkeypatch.syspath_prepend(tmp_path)
    loaded = []

    def load(source, name="shop_orders"):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        loaded.append(name)
        return importlib.import_module(name)

    yield load
    for name in loaded:
        del sys.modules[name]


SHOP = """
    import functools
    from threadmill_shared.tools import tool

    def plain(n: int): return n

    @tool
    def marked(n: int): return n

    class Shop:
        def refund(self, n: int): return n
        @staticmethod
        def static(n: int): return n
        @classmethod
        def classy(cls, n: int): return n
        @classmethod
        @tool
        def classy_tool(cls, n: int): return n

    shop = Shop()
    refund = tool(shop.refund)
    part = tool(functools.partial(plain, 3), name="part")
    double = tool(lambda n: 2 * n, name="double")
    careful = tool(plain, name="careful")

    def outer():
        @tool
        def inner(n: int): return n
        return inner
"""


@pytest.mark.parametrize(
    ("expression", "identity"),
    [
        ("plain", "shop_orders:plain"),
        ("marked", "shop_orders:marked"),
        ("Shop.static", "shop_orders:Shop.static"),
        ("Shop.classy", "shop_orders:Shop.classy"),
        ("Shop.classy_tool", "shop_orders:Shop.classy_tool"),
        ("refund", "shop_orders:refund"),
        ("part", "shop_orders:part"),
        ("double", "shop_orders:double"),
        ("careful", "shop_orders:plain"),
    ],
)
def test_what_an_import_finds_again_is_known_by_module_and_name(load, expression, identity):
    module = load(SHOP)
    assert as_tool(eval(expression, vars(module))).spec.identity == identity


def test_what_no_import_finds_is_known_by_process_and_object(load):
    module = load(SHOP)
    one, two = module.outer(), module.outer()
    assert one.spec.identity.startswith("shop_orders:outer.<locals>.inner@")
    assert one.spec.identity != two.spec.identity
    assert one.spec.identity == one.spec.identity
    assert as_tool(one.function).spec.identity == one.spec.identity


def test_bound_methods_are_known_by_their_object(load):
    module = load(SHOP)
    here, there = module.Shop(), module.Shop()
    identity = as_tool(here.refund).spec.identity
    assert identity.startswith("shop_orders:Shop.refund@")
    assert as_tool(here.refund).spec.identity == identity
    assert as_tool(there.refund).spec.identity != identity


def test_an_object_that_took_a_dead_ones_place_in_memory_is_another():
    identities = set()
    gc.freeze()  # collections look at what comes from here on, not at all that tests have loaded
    try:
        for _ in range(50):
            shop = Shop()
            identities.add(as_tool(shop.refund).spec.identity)
            del shop
            gc.collect()
    finally:
        gc.unfreeze()
    assert len(identities) == 50


def test_a_function_whose_name_means_another_one_now_is_known_by_its_object(load):
    module = load(SHOP)
    old = module.plain
    module.plain = lambda n: n
    assert as_tool(old).spec.identity.startswith("shop_orders:plain@")


def test_the_main_modules_functions_are_another_processs_never(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from threadmill_shared.tools import as_tool, tool\n"
        "def plain(n: int): ...\n"
        "@tool\n"
        "def marked(n: int): ...\n"
        "print(as_tool(plain).spec.identity, marked.spec.identity)\n"
    )
    runs = [subprocess.check_output([sys.executable, script], text=True).split() for _ in range(2)]
    for plain, marked in runs:
        module, _, qualname = plain.partition(":")
        assert module.startswith("__main__@")
        assert qualname == "plain"
        assert marked == f"{module}:marked"
    assert runs[0] != runs[1]


def test_a_forked_child_is_another_process():
    script = """
        import os
        from threadmill_shared.tools import ToolRegistry, tool
        @tool
        def roll(n: int): ...
        registry = ToolRegistry()
        registry.register(roll)
        before = roll.spec
        if os.fork() == 0:
            after = roll.spec
            found = registry.find(after.identity, after.digest) is roll
            parents = registry.find(before.identity, before.digest)
            print(after.identity != before.identity, found, parents, flush=True)
            os._exit(0)
        os.wait()
        print(roll.spec == before, registry.find(before.identity, before.digest) is roll)
    """
    printed = subprocess.check_output([sys.executable, "-c", textwrap.dedent(script)], text=True)
    assert printed.splitlines() == ["True True None", "True True"]


def test_the_digest_changes_with_name_and_schema_and_with_nothing_else():
    def make(annotation, name="f", doc="x"):
        def f(n): ...

        f.__annotations__["n"] = annotation
        f.__doc__ = doc
        return tool(f, name=name).spec.digest

    assert make(int) == make(int, doc="y")
    assert len({make(int), make(str), make(int, name="g")}) == 3


def test_tools_are_pickled_by_name_as_functions_are(load):
    module = load(SHOP)
    assert pickle.loads(pickle.dumps(module.marked)) is module.marked
    with pytest.raises(Exception, match=r"not the same object|Can't"):
        pickle.dumps(module.outer())


# ---- the registry ----------------------------------------------------------------------------


def test_a_registry_finds_what_matches_identity_and_digest(load):
    module = load(SHOP)
    registry = ToolRegistry()
    registry.register(module.marked)
    spec = module.marked.spec
    assert registry.find(spec.identity, spec.digest) is module.marked
    assert registry.find(spec.identity, "0" * 16) is None
    assert registry.find("shop_orders:other", spec.digest) is None
    assert list(registry) == [module.marked]


def test_a_registry_is_not_deceived_by_an_identity_without_its_process(load):
    made = load(SHOP).outer()
    registry = ToolRegistry()
    registry.register(made)
    before, _, process_and_number = made.spec.identity.partition("@")
    number = process_and_number.partition(".")[2]
    assert registry.find(f"{before}@.{number}", made.spec.digest) is None


def test_one_function_may_be_registered_under_two_names(load):
    module = load(SHOP)
    registry = ToolRegistry()
    plain = as_tool(module.plain)
    for each in (plain, module.careful):
        registry.register(each)
    for each in (plain, module.careful):
        assert registry.find(each.spec.identity, each.spec.digest) is each
    assert len(registry) == 2


def test_a_reloaded_modules_tool_replaces_the_old_one(load, tmp_path):
    module = load("def roll(n: int): ...", "dice")
    old = as_tool(module.roll)
    registry = ToolRegistry()
    registry.register(old)
    old_spec = old.spec
    (tmp_path / "dice.py").write_text("def roll(n: int, sides: int): ...")
    importlib.invalidate_caches()
    new = as_tool(importlib.reload(module).roll)
    registry.register(new)
    assert registry.find(old_spec.identity, old_spec.digest) is None
    assert registry.find(new.spec.identity, new.spec.digest) is new
    assert list(registry) == [new]


def test_a_registry_may_be_filled_and_read_by_many_threads():
    registry = ToolRegistry()

    def make(index):
        def roll(n: int): ...

        return tool(roll, name=f"roll_{index}")

    def fill(index):
        for n in range(20):
            registry.register(make(index * 100 + n))
            list(registry)

    threads = [threading.Thread(target=fill, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry) == 160
    assert len({each.spec.identity for each in registry}) == 160
