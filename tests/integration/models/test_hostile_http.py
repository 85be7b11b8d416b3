"""Whatever a provider answers by HTTP ends in an error of ours that can be stored."""

import asyncio
import gzip
import itertools
import json
from contextlib import asynccontextmanager

import pytest
from tests.support.scripted_provider import asking, failure, request

from threadmill_shared.errors import (
    ModelError,
    ModelGarbled,
    ModelRefused,
    ModelUnavailable,
    TooLarge,
)
from threadmill_shared.model import FileRefused
from threadmill_workers.models import create_model

JSON = "application/json"
DEEP = b"[" * 100_000
ERRORS = {
    "nothing": b"",
    "a page": b"<html><body>Bad gateway</body></html>",
    "a list": b'[{"error": {"code": 400, "message": "no"}}]',
    "a text": b'"no"',
    "a number": b"7",
    "null": b"null",
    "NaN": b"NaN",
    "an error that is a list": b'{"error": ["no"]}',
    "an error that is a text": b'{"error": "no"}',
    "an error that is a number": b'{"error": 7}',
    "an error in an error": b'{"error": {"error": {"error": {"message": "no"}}}}',
    "fields of other types": b'{"error": {"message": ["no"], "code": {}, "type": 5, "param": []}}',
    "brackets": DEEP,
    "brackets in an error": b'{"error": ' + DEEP,
    "a deep error": b'{"error": {"message": ' + b"[" * 900 + b"]" * 900 + b"}}",
    "half an emoji": b'{"error": {"message": "no \\ud83d", "code": "\\ud83d", "type": "x"}}',
    "control characters": b'{"error": {"message": "no\\u0000\\u001b[2J", "code": "a\\u0000"}}',
    "a large body": b'{"error": {"message": "' + b"x" * 5_000_000 + b'"}}',
    "no UTF-8": b'{"error": {"message": "\xff\xfe\x80"}}',
    "another encoding": '{"error": {"message": "no"}}'.encode("utf-16"),
    "a long number": b'{"error": {"message": "no", "code": ' + b"9" * 5000 + b"}}",
}
STATUSES = ["400 Bad", "401 No", "404 None", "408 Late", "429 Slow", "500 Oh", "503 Oh", "599 X"]
HEADERS = [
    "Retry-After: soon",
    "Retry-After: -5",
    "Retry-After: NaN",
    "Retry-After: " + "9" * 5000,
    "Retry-After: Mon, 01 Jan 99999999999 00:00:00 GMT",
    "Retry-After: Mon, 01 Jan 9999 00:00:00 -2359",
    "Retry-After: Mon, 01 Jan 2026 00:00:00 +99999999999999",
    "Retry-After: Mon, 99 Foo 2026 99:99:99 GMT",
    "Retry-After: \x80\xff",
    "retry-after-ms: 1e400",
    "retry-after-ms: -",
    "Content-Encoding: gzip",
    "Content-Encoding: what, ever",
]
TYPES = [
    "application/json; charset=nonsense",
    "application/json; charset=hex",
    "application/json; charset=utf-16",
    "application/json; charset=idna",
    "",
    "what ever",
]


def answering(status, body, kind=JSON, *headers):
    async def play(exchange):
        more = "".join(f"{header}\r\n" for header in headers)
        await exchange.begin(status, kind, more)
        await exchange.send(*[body[at : at + 65536] for at in range(0, len(body), 65536)])
        exchange.writer.write(b"0\r\n\r\n")
        exchange.writer.close()

    return play


def check_named(api, *plays):
    """Each of these answers becomes an error that can be stored and printed."""
    waiting = list(plays)

    async def play(exchange):
        await waiting.pop(0)(exchange)

    async def ask():
        async with asking(api, play) as (model, _):
            for _ in plays:
                with pytest.raises((ModelRefused, ModelUnavailable, ModelGarbled)) as caught:
                    [event async for event in model.stream(request())]
                json.dumps(str(caught.value), ensure_ascii=False).encode()
                assert len(str(caught.value)) < 1000

    asyncio.run(ask())


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_an_error_may_have_any_body(api, body):
    check_named(api, *(answering(status, body) for status in STATUSES))


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_an_answer_may_be_no_stream(api, body):
    kinds = (JSON, "text/html", "text/event-stream")
    check_named(api, *(answering("200 OK", body, kind) for kind in kinds))


def test_a_web_page_in_place_of_an_answer_is_called_one(api):
    error = failure(api, answering("200 OK", b"<html>Please log in</html>", "text/html"))
    assert isinstance(error, ModelGarbled)
    assert "web page" in str(error)
    assert "OPENAI_BASE_URL" in str(error)


@pytest.mark.parametrize("status", ["200 OK", "204 None", "304 Same", "429 Slow", "503 Oh"])
def test_an_answer_may_have_any_headers(api, status):
    body = b'{"error": {"message": "no"}}'
    check_named(api, *(answering(status, body, JSON, header) for header in HEADERS))


def test_an_error_may_say_that_it_is_of_any_type(api):
    body = '{"error": {"message": "nö"}}'.encode()
    check_named(api, *(answering("400 Bad", body, kind) for kind in TYPES))


@pytest.mark.parametrize("status", ["200 OK", "400 Bad", "500 Oh"])
def test_a_compressed_answer_may_be_cut(api, status):
    body = gzip.compress(b'{"error": {"message": "no"}}' * 1000)
    pieces = (body[: len(body) // 2], b"\x1f\x8b", body[::-1])
    check_named(api, *(answering(status, p, JSON, "Content-Encoding: gzip") for p in pieces))


@pytest.mark.parametrize("status", ["301 There", "307 There", "308 There"])
def test_an_answer_may_lead_anywhere(api, status):
    targets = ("", "//", "http://", "ftp://example/x", "http://[::", "\x80", "x" * 9000)
    check_named(api, *(answering(status, b"", JSON, f"Location: {one}") for one in targets))


# ---- files ---------------------------------------------------------------------------------------

MADE = [
    "",
    "[]",
    "null",
    "5",
    '"x"',
    "{}",
    '{"id": null}',
    '{"id": 5}',
    '{"id": "f", "x": ' + "[" * 999,
]
MADE += [
    '{"data": null}',
    '{"data": [null, 5, {}, {"id": "f", "last_error": 5}], "has_more": true}',
]
MADE += ['{"data": [{"id": "f", "status": "failed", "name": "thread", "created_at": "now"}]}']
MADE += ['{"id": "f", "expires_at": "soon"}', '{"id": "f", "file_counts": 5}', "<html>"]
ASKED = {
    "upload": lambda files: files.upload("a.txt", b"tea", is_searched=True),
    "make a store": lambda files: files.make_store("thread", ["f"]),
    "make an empty store": lambda files: files.make_store("thread", []),
    "find a store": lambda files: files.find_store("thread", 1.0),
    "add to a store": lambda files: files.add_to_store("vs", "f"),
    "wait for a store": lambda files: files.wait_until_indexed("vs", 0.0),
    "look into a store": lambda files: files.file_states("vs", ["f", "g"]),
    "look for a store": lambda files: files.has_store("vs"),
    "fetch": lambda files: files.fetch("cntr", "f", 100),
    "fetch from nowhere": lambda files: files.fetch("", "", 100),
    "fetch from above": lambda files: files.fetch("..", "../../x\x00", 100),
    "fetch a long name": lambda files: files.fetch("c" * 100_000, "é\n", 100),
}


@asynccontextmanager
async def file_server(status, body):
    """A server that gives this answer to every request."""

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if "content-length:" in head:
            await reader.readexactly(int(head.split("content-length:")[1].split()[0]))
        said = f"HTTP/1.1 {status}\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{said}Connection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_whatever_is_said_about_a_file_is_usable_or_an_error_of_ours(asked):
    async def ask():
        for status, body in itertools.product(("200 OK", "400 Bad"), MADE):
            async with file_server(status, body) as url:
                model = create_model("responses", api_key="key", base_url=url)
                try:
                    json.dumps(str(await asked(model.files)))
                except (ModelError, TooLarge) as error:
                    json.dumps(str(error), ensure_ascii=False).encode()
                finally:
                    await model.close()

    asyncio.run(ask())


def test_an_upload_that_could_not_be_processed_is_refused():
    async def ask():
        made = '{"id": "f", "status": "error", "status_details": "The file is corrupt."}'
        async with file_server("200 OK", made) as url:
            model = create_model("responses", api_key="key", base_url=url)
            try:
                with pytest.raises(FileRefused, match="The file is corrupt"):
                    await model.files.upload("a.txt", b"tea", is_searched=True)
            finally:
                await model.close()

    asyncio.run(ask())
