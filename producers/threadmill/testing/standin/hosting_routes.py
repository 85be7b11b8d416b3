"""The HTTP routes of files, containers and vector stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from threadmill.testing.standin.exchange import error_body
from threadmill.testing.standin.faults import Refusal
from threadmill.testing.standin.hosting import (
    FOLDER,
    FileNotTaken,
    Hosting,
    KeptFile,
    VectorStore,
)
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
            ("GET", "/v1/vector_stores", self._stores),
            ("GET", store, self._store),
            ("POST", f"{store}/files", self._add_to_store),
            ("GET", f"{store}/files", self._store_files),
            ("GET", f"{store}/files/{{file}}", self._store_file),
            ("DELETE", store, self._delete_store),
        ]
        for method, path, handler in routes:
            router.add_route(method, path, _or_refused(handler))

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

    async def _stores(self, _: web.Request) -> web.StreamResponse:
        newest_first = reversed(self._hosting.vector_stores.values())
        return _json(_listed([self._vector_store(store) for store in newest_first]))

    async def _add_to_store(self, http: web.Request) -> web.StreamResponse:
        store = self._hosting.vector_stores[http.match_info["store"]]
        file = self._hosting.files[(await http.json())["file_id"]]
        if not file.name.lower().endswith(self._hosting.searchable):
            # https://github.com/microsoft/agent-framework/issues/2469
            ending = file.name.rpartition(".")[2]
            known = ", ".join(self._hosting.searchable)
            raise FileNotTaken(
                f"Files with extensions [.{ending}] are not supported for retrieval. "
                f"Supported file types include: [{known}]."
            )
        if file.id not in store.file_ids:
            store.file_ids.append(file.id)
        return _json(self._indexed(store, file))

    async def _store_files(self, http: web.Request) -> web.StreamResponse:
        store = self._hosting.vector_stores[http.match_info["store"]]
        files = [self._hosting.files[id] for id in store.file_ids if id in self._hosting.files]
        return _json(_listed([self._indexed(store, file) for file in files]))

    async def _store_file(self, http: web.Request) -> web.StreamResponse:
        store = self._hosting.vector_stores[http.match_info["store"]]
        file_id = http.match_info["file"]
        if file_id not in store.file_ids:
            raise KeyError(file_id)
        return _json(self._indexed(store, self._hosting.files[file_id]))

    def _indexed(self, store: VectorStore, file: KeptFile) -> Json:
        status, why = self._hosting.index_state(file.id)
        return {
            "id": file.id,
            "object": "vector_store.file",
            "created_at": store.created_at,
            "vector_store_id": store.id,
            "status": status,
            "usage_bytes": len(file.content) if status == "completed" else 0,
            "last_error": {"code": "unsupported_file", "message": why} if why else None,
        }

    async def _delete_store(self, http: web.Request) -> web.StreamResponse:
        store = self._hosting.vector_stores.pop(http.match_info["store"])
        return _json({"id": store.id, "object": "vector_store.deleted", "deleted": True})

    def _vector_store(self, store: VectorStore) -> Json:
        files = [file for id in store.file_ids if (file := self._hosting.files.get(id))]
        states = Counter(self._hosting.index_state(file.id)[0] for file in files)
        names = ("in_progress", "completed", "failed", "cancelled")
        counts = {name: states[name] for name in names}
        return {
            "id": store.id,
            "object": "vector_store",
            "created_at": store.created_at,
            "last_active_at": store.created_at,
            "name": store.name,
            "status": "in_progress" if states["in_progress"] else "completed",
            "file_counts": counts | {"total": len(files)},
            "usage_bytes": sum(len(file.content) for file in files),
            "expires_after": store.expires_after,
            "expires_at": None,
            "metadata": {},
        }


def _or_refused(handler: Handler) -> Handler:
    async def answer(http: web.Request) -> web.StreamResponse:
        try:
            return await handler(http)
        except KeyError as error:
            return _refuse(404, f"There is no {error.args[0]!r}.")
        except FileNotTaken as error:
            return _refuse(400, str(error))

    return answer


def _listed(data: list[Json]) -> Json:
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return {"object": "list", "data": data, "has_more": False, **ends}


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
