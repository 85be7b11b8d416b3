"""What a thread has for hosted tools is given to its runs, beside what their assistants name."""

from __future__ import annotations

import pytest
from tests.support.store.scene import REQUEST

from threadmill_shared.hosted_tools import CodeInterpreter, FileSearch, WebSearch, with_resources

RESOURCES = {
    "code_interpreter": {"file_ids": ["file-1", "file-2"]},
    "file_search": {"vector_store_ids": ["vs_2"]},
}


async def test_a_claimed_run_has_the_resources_that_its_thread_has_now(scene):
    tools = (CodeInterpreter(file_ids=("file-0", "file-1")), FileSearch(), WebSearch())
    await scene.enqueue(request=REQUEST)
    second = await scene.enqueue(request=REQUEST.model_copy(update={"hosted": tools}))
    await scene.store.threads.update(scene.thread_id, tool_resources=RESOURCES)
    await scene.store.runs.cancel((await scene.store.threads.record(scene.thread_id)).head)

    held = await scene.claim(second.run_id)

    assert held.hosted == (
        CodeInterpreter(file_ids=("file-0", "file-1", "file-2")),
        FileSearch(vector_store_ids=("vs_2",)),
        WebSearch(),
    )
    assert held.record.request.hosted == tools


async def test_a_run_without_hosted_tools_gets_none_by_its_thread(scene):
    await scene.store.threads.add(scene.thread_id, [], create=True, tool_resources=RESOURCES)
    assert (await scene.begin()).hosted == ()


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"file_search": None},
        {"file_search": {"vector_store_ids": "vs_1"}},
        {"file_search": {"vector_stores": [{"file_ids": []}], "vector_store_ids": [None, "", 7]}},
        {"web_search": {"": ["x"]}, "code_interpreter": {"file_ids": ["file-1"]}},
    ],
)
def test_resources_of_another_form_are_passed_over(resources):
    tools = (FileSearch(vector_store_ids=("vs_0",)), WebSearch())
    assert with_resources(tools, resources) == tools
