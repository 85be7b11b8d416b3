"""The HTTP routes of files, containers and vector stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from threadmill.testing.standin.exchange import error_body
from threadmill.testing.standin.faults import Refusal
from threadmill.testing.standin.hosting import FOLDER, Hosting, KeptFile, VectorStore
from threadmill.testing.standin.sse import encode

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HostingRoutes:
    """Serves what a `Hosting` keeps."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        file = "/v1/files/{file}"
        container = "/v1/containers/{container}"
        store = "/v1/vector_stores/{store}"
        routes: list[tuple[str, str, Handler]] = [
            ("POST", "/v1/files", self._upload),
            ("GET", file, self._file),
            ("GET", f"{file}/content", self._file_content),
            ("DELETE", file, self._delete_file),
            ("POST", "/v1/containers", self._create_container),
            ("GET", container, self._container),
            ("GET", f"{container}/files", self._container_files),
            ("GET", f"{container}/files/{{file}}", self._container_file),
            ("GET", f"{container}/files/{{file}}/content", self._container_content),
            ("POST", "/v1/vector_stores", self._create_store),
            ("GET", store, self._store),
            ("POST", f"{store}/files", self._add_to_store),
            ("DELETE", store, self._delete_store),
        ]
        for method, path, handler in routes:
            router.add_route(method, path, _or_not_found(handler))

    # ---- files -----------------------------------------------------------------------------------

    async def _upload(self, http: web.Request) -> web.StreamResponse:
        form = await http.post()
        file, purpose = form.get("file"), form.get("purpose")
        if not isinstance(file, web.FileField) or not isinstance(purpose, str):
            return _refuse(400, "An upload has a 'file' and a 'purpose'.")
        seconds = form.get("expires_after[seconds]")
        kept = self._hosting.upload(
            file.filename,
            file.file.read(),
            purpose,
            int(str(seconds)) if seconds else None,
        )
        return _json(_file(kept))

    async def _file(self, http: web.Request) -> web.StreamResponse:
        return _json(_file(self._hosting.files[http.match_info["file"]]))

    async def _file_content(self, http: web.Request) -> web.StreamResponse:
        return _bytes(self._hosting.files[http.match_info["file"]])

    async def _delete_file(self, http: web.Request) -> web.StreamResponse:
        file = self._hosting.files.pop(http.match_info["file"])
        return _json({"id": file.id, "object": "file", "deleted": True})

    # ---- containers ------------------------------------------------------------------------------

    async def _create_container(self, http: web.Request) -> web.StreamResponse:
        body = await http.json()
        id = self._hosting.new_container(body.get("file_ids") or ())
        return _json(_container(id, body.get("name") or ""))

    async def _container(self, http: web.Request) -> web.StreamResponse:
        id = http.match_info["container"]
        _ = self._hosting.containers[id]
        return _json(_container(id, ""))

    async def _container_files(self, http: web.Request) -> web.StreamResponse:
        id = http.match_info["container"]
        data = [_container_file(id, file) for file in self._hosting.containers[id].values()]
        return _json({"object": "list", "data": data, "has_more": False})

    async def _container_file(self, http: web.Request) -> web.StreamResponse:
        id, file = http.match_info["container"], http.match_info["file"]
        return _json(_container_file(id, self._hosting.containers[id][file]))

    async def _container_content(self, http: web.Request) -> web.StreamResponse:
        id, file = http.match_info["container"], http.match_info["file"]
        kept = self._hosting.containers[id][file]
        if kept.name in self._hosting.lost:
            raise KeyError(file)
        return _bytes(kept)

    # ---- vector stores ---------------------------------------------------------------------------

    async def _create_store(self, http: web.Request) -> web.StreamResponse:
        body = await http.json()
        file_ids = [self._hosting.files[id].id for id in body.get("file_ids") or ()]
        store = VectorStore(
            self._hosting.new_id("vs_"),
            body.get("name") or "",
            file_ids,
            body.get("expires_after"),
        )
        self._hosting.vector_stores[store.id] = store
        return _json(self._vector_store(store))

    async def _store(self, http: web.Request) -> web.StreamResponse:
        return _json(self._vector_store(self._hosting.vector_stores[http.match_info["store"]]))

    async def _add_to_store(self, http: web.Request) -> web.StreamResponse:
        store = self._hosting.vector_stores[http.match_info["store"]]
        file = self._hosting.files[(await http.json())["file_id"]]
        store.file_ids.append(file.id)
        return _json(
            {
                "id": file.id,
                "object": "vector_store.file",
                "created_at": store.created_at,
                "vector_store_id": store.id,
                "status": "completed",
                "usage_bytes": len(file.content),
                "last_error": None,
            }
        )

    async def _delete_store(self, http: web.Request) -> web.StreamResponse:
        store = self._hosting.vector_stores.pop(http.match_info["store"])
        return _json({"id": store.id, "object": "vector_store.deleted", "deleted": True})

    def _vector_store(self, store: VectorStore) -> Json:
        counts = {"in_progress": 0, "failed": 0, "cancelled": 0}
        total = len(store.file_ids)
        files = (self._hosting.files.get(id) for id in store.file_ids)
        return {
            "id": store.id,
            "object": "vector_store",
            "created_at": store.created_at,
            "last_active_at": store.created_at,
            "name": store.name,
            "status": "completed",
            "file_counts": counts | {"completed": total, "total": total},
            "usage_bytes": sum(len(file.content) for file in files if file),
            "expires_after": store.expires_after,
            "expires_at": None,
            "metadata": {},
        }


def _or_not_found(handler: Handler) -> Handler:
    async def answer(http: web.Request) -> web.StreamResponse:
        try:
            return await handler(http)
        except KeyError as error:
            return _refuse(404, f"There is no {error.args[0]!r}.")

    return answer


def _file(file: KeptFile) -> Json:
    return {
        "id": file.id,
        "object": "file",
        "bytes": len(file.content),
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def _container(id: str, name: str) -> Json:
    return {
        "id": id,
        "object": "container",
        "created_at": 0,
        "last_active_at": 0,
        "name": name,
        "status": "running",
        "expires_after": {"anchor": "last_active_at", "minutes": 20},
        "memory_limit": "1g",
    }


def _container_file(container_id: str, file: KeptFile) -> Json:
    return {
        "id": file.id,
        "object": "container.file",
        "bytes": len(file.content),
        "container_id": container_id,
        "created_at": file.created_at,
        "path": f"{FOLDER}{file.name}",
        "source": "user" if file.purpose == "user" else "assistant",
    }


def _json(body: Json) -> web.Response:
    return web.Response(body=encode(body), content_type="application/json")


def _bytes(file: KeptFile) -> web.Response:
    return web.Response(body=file.content, content_type="application/octet-stream")


def _refuse(status: int, message: str) -> web.Response:
    body = error_body(Refusal(status, message))
    return web.Response(status=status, body=body, content_type="application/json")
