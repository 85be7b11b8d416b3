"""The former name of `threadmill.transfer`, for code that imports it."""

from threadmill.transfer import (
    Exported,
    Imported,
    export_file,
    export_file_async,
    import_file,
    import_file_async,
)

__all__ = [
    "Exported",
    "Imported",
    "export_file",
    "export_file_async",
    "import_file",
    "import_file_async",
]
