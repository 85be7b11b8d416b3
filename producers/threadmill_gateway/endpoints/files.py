"""Calls on files."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from typing import Any

from pydantic_core import to_json
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.responses import answer, deleted, page
from threadmill_gateway.bodies.files import FileForm
from threadmill_gateway.bodies.query import FileQuery
from threadmill_gateway.bodies.reading import refuse_large
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.client_requests import (
    bucket_of_request,
    note_created,
    request_of,
    tries_of,
)
from threadmill_gateway.endpoints.known_ids import known_cursor
from threadmill_gateway.objects import files as objects
from threadmill_shared import errors, ids
from threadmill_shared.records.client_request import ClientRequest, Created
from threadmill_shared.records.files import FileContent

_MOST_FIELDS = 10
_FORM_BYTES = 64 * 1024
"""Of a form besides its file."""


async def create_file(request: Request) -> Response:
    """Upload a file."""
    call = Call(request)
    most = call.gateway.settings.file_bytes
    refuse_large(request, most + _FORM_BYTES)
    try:
        async with request.form(
            max_files=1, max_fields=_MOST_FIELDS, max_part_size=_FORM_BYTES
        ) as form:
            uploaded = _file_of(form)
            content = await uploaded.read(most + 1)
            name = uploaded.filename or "upload"
            fields = FileForm.check(_fields_of(form))
    except (HTTPException, MultiPartException):
        raise refusals.body_is_no_form() from None
    if len(content) > most:
        raise refusals.file_is_too_large(len(content), most)
    lifetime = fields.expires_after.seconds if fields.expires_after else None
    asked = _client_request(call, fields, name, content)
    file = FileContent(ids.new_file_id(bucket_of_request(asked)), name, content)
    found = await call.store.uploaded_files.upload(
        file, purpose=fields.purpose, lifetime=lifetime, request=asked
    )
    created = Created(found.id, str(found.created_at), made=file.id)
    note_created(call, asked, found.id, created)
    return answer(objects.file(found))


def _client_request(call: Call, fields: FileForm, name: str, content: bytes) -> ClientRequest:
    """By what the form says: what stands between its parts differs in a repeat."""
    told = to_json([name, fields.model_dump(exclude_none=True)])
    return request_of(call, None, told + b"\n" + hashlib.sha256(content).digest())


async def list_files(request: Request) -> Response:
    """A page of the files."""
    call = Call(request)
    query = call.query(FileQuery)
    with known_cursor(query):
        found = await call.store.uploaded_files.page(query.page(), query.purpose)
    return page([objects.file(one) for one in found.data], has_more=found.has_more)


async def get_file(request: Request) -> Response:
    """What is known of a file."""
    call = Call(request)
    file_id: str = request.path_params["file_id"]
    try:
        return answer(objects.file(await call.store.uploaded_files.find(file_id)))
    except errors.FileNotFound:
        raise refusals.no_file(file_id) from None


async def get_content(request: Request) -> Response:
    """A file's content."""
    call = Call(request)
    file_id: str = request.path_params["file_id"]
    try:
        found = await call.store.uploaded_files.content(file_id)
    except errors.FileNotFound:
        raise refusals.no_file(file_id) from None
    media_type = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    # A browser must show nothing of what users have uploaded.
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
    return Response(found.content, 200, headers, media_type)


async def delete_file(request: Request) -> Response:
    """Delete a file; messages that name it have copies of their own."""
    call = Call(request)
    file_id: str = request.path_params["file_id"]
    files = call.store.uploaded_files
    if not await files.delete(file_id) and not (
        tries_of(call) and await files.was_deleted(file_id)
    ):
        raise refusals.no_file(file_id)
    return answer(deleted(file_id, "file"))


def _file_of(form: FormData) -> UploadFile:
    found = form.get("file")
    if not isinstance(found, UploadFile):
        raise refusals.missing("file")
    return found


def _fields_of(form: FormData) -> dict[str, Any]:
    """The form's fields; `expires_after[seconds]` is a member of an object."""
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name == "file":
            continue
        nested = re.fullmatch(r"(\w+)\[(\w+)\]", name)
        if nested is None:
            fields[name] = value
        elif isinstance(fields.setdefault(nested[1], {}), dict):
            fields[nested[1]][nested[2]] = value
    return fields
