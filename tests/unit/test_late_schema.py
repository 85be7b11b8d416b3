"""`Assistant`: its schema is built at the first use, and nobody notices."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import threading
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, PydanticSchemaGenerationError, TypeAdapter

from threadmill import Assistant
from threadmill.runs.late_schema import LateSchema


def run_fresh(code: str) -> str:
    """What a fresh process prints that executes this code."""
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


class Plain(BaseModel):
    """What `late_model` derives from if it is built at once."""


def late_model(base: type[BaseModel] = LateSchema) -> Any:
    class Model(base):  # type: ignore[valid-type, misc]
        model_config = ConfigDict(extra="forbid")

        name: str = "a"
        others: tuple[Model, ...] = ()

        def __init__(self, *given: Any, **fields: Any) -> None:
            super().__init__(**dict(zip(["name"], given, strict=False)), **fields)

    return Model


def test_importing_the_assistant_builds_no_schema_and_looks_for_no_plugins() -> None:
    code = "import sys\nfrom threadmill import Assistant\nprint(Assistant.__pydantic_complete__"
    assert run_fresh(f"{code}, 'importlib.metadata' in sys.modules)") == "False False\n"


def test_a_model_has_the_same_signature_before_and_after_it_is_built() -> None:
    late, plain = late_model(), late_model(Plain)
    before = inspect.signature(late)
    assert late() == late("a")
    assert str(before) == str(inspect.signature(late)) == str(inspect.signature(plain))
    assert not hasattr(late_model().model_construct(), "__signature__")


def test_the_assistants_signature_names_its_fields() -> None:
    printed = run_fresh(
        "import inspect, threadmill\nprint(inspect.signature(threadmill.Assistant))"
    )
    assert without_addresses(printed) == without_addresses(f"{inspect.signature(Assistant)}\n")
    assert "max_completion_tokens" in printed


def without_addresses(text: str) -> str:
    return re.sub(r"0x\w+", "", text)


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model("b"),
        lambda model: model.model_validate({"others": [{"name": "b"}]}),
        lambda model: model.model_json_schema(),
        lambda model: TypeAdapter(list[model]).validate_python([{}]),
        lambda model: model.model_construct(name="b").model_dump_json(),
    ],
)
def test_each_use_builds_what_an_ordinary_model_has(use: Any) -> None:
    late, plain = use(late_model()), use(late_model(Plain))
    assert str(late).replace("LateSchema", "Plain") == str(plain)


def test_a_class_that_users_derive_is_built_at_once() -> None:
    model = late_model()

    class Derived(model):  # type: ignore[misc]
        count: int = 1

    assert Derived.__pydantic_complete__
    assert not model.__pydantic_complete__
    assert Derived(count="2").count == 2
    with pytest.raises(PydanticSchemaGenerationError):
        type("Wrong", (model,), {"__annotations__": {"lock": threading.Barrier}})


def test_what_other_base_classes_do_with_a_derived_class_is_done() -> None:
    seen = []

    class Other(BaseModel):
        @classmethod
        def __pydantic_init_subclass__(cls, **given: Any) -> None:
            super().__pydantic_init_subclass__(**given)
            seen.append(cls.__name__)

    class Derived(Assistant, Other):
        pass

    assert seen == [Derived.__name__]


def test_threads_that_use_a_model_first_at_the_same_time_all_can() -> None:
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            used_by_many(late_model())
    finally:
        sys.setswitchinterval(switch)


def used_by_many(model: Any) -> None:
    barrier, names = threading.Barrier(6), []

    def use() -> None:
        barrier.wait()
        names.append(model("b").name)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == ["b"] * 6


def test_names_of_the_place_of_the_call_are_found() -> None:
    class Model(LateSchema):
        later: Later

    class Later(BaseModel):
        name: str

    assert Model.model_rebuild() is True
    assert Model.model_rebuild() is None
    assert Model(later={"name": "a"}).later == Later(name="a")  # type: ignore[arg-type]
