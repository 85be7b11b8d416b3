"""Import and export of conversations, as lines of JSON in the Assistants API's shapes.

```python
from threadmill import Thread
from threadmill.transfer import export_file, import_file

print(import_file("saved.jsonl"))                 # assistants, threads, messages
Thread(key="thread_abc123").get_messages()        # a thread is found by its old id
export_file("ours.jsonl", [Thread(key="thread_abc123")])
```

A line is an object that names its kind: `assistant`, `thread`, `thread.message`, `thread.run`,
`thread.run.step`. What the Assistants API has no place for stands under `threadmill`, and a tool
call, its output or a model's reasoning is a line of the kind `threadmill.item`.
"""

from __future__ import annotations

from threadmill.transfer.exporting import Exported, export_file, export_file_async
from threadmill.transfer.importing import Imported, import_file, import_file_async

__all__ = [
    "Exported",
    "Imported",
    "export_file",
    "export_file_async",
    "import_file",
    "import_file_async",
]
