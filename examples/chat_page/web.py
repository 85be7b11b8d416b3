"""A web service with a page in which users chat. `python web.py` starts it.

It keeps nothing: messages, runs and events are in threadmill's store. So any number of such
processes may run, and a browser that was cut off continues at any of them.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import uvicorn
from bot import guide
from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

from threadmill import Run, Thread, errors

PAGE = Path(__file__).with_name("page")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load, and nothing else: no script in a message could run."""
A_YEAR = 365 * 24 * 3600

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
app.mount("/page", StaticFiles(directory=PAGE))


# ---- who is asking, and what is theirs -------------------------------------------------------


def current_user(visitor: Annotated[str | None, Cookie()] = None) -> str:
    """Who is asking: here whoever has this cookie, in a real service the user who has logged in."""
    if not visitor:
        raise HTTPException(401, "Open the page first.")
    return hashlib.sha256(visitor.encode()).hexdigest()


def users_thread(
    chat: Annotated[str, PathParameter(pattern=r"^[\w-]{1,40}$")],
    user: Annotated[str, Depends(current_user)],
) -> Thread:
    """The thread of a user's chat. Its key begins with the user, so none is shared by two."""
    return Thread(key=f"{user}/{chat}")


UsersThread = Annotated[Thread, Depends(users_thread)]


# ---- the page --------------------------------------------------------------------------------


@app.get("/")
async def begin_chat() -> RedirectResponse:
    return RedirectResponse(f"/chats/{secrets.token_urlsafe(9)}", 303)


@app.get("/chats/{chat}")
async def show_page(
    request: Request, visitor: Annotated[str | None, Cookie()] = None
) -> FileResponse:
    page = FileResponse(PAGE / "chat.html", headers={"Content-Security-Policy": POLICY})
    if not visitor:
        page.set_cookie(
            "visitor",
            secrets.token_urlsafe(32),
            max_age=A_YEAR,
            httponly=True,  # no script reads it
            samesite="lax",  # no other site's page sends it with a message
            secure=request.url.scheme == "https",
        )
    return page


# ---- the chat --------------------------------------------------------------------------------


@app.get("/chats/{chat}/messages")
async def read_chat(thread: UsersThread) -> dict[str, object]:
    # The runs first: if one ends in between, its messages are in the list and in its stream. The
    # other way round they would be in neither.
    runs = await thread.runs_async(limit=1)
    messages = await thread.get_messages_async(limit=100)
    return {
        "messages": [{"id": one.id, "role": one.role, "text": one.text} for one in messages],
        "run": next((run.id for run in runs if not run.status.is_terminal), None),
    }


class Said(BaseModel):
    text: str = Field(min_length=1, max_length=10_000)
    key: str = Field(min_length=1, max_length=100)
    """The page's own for each message: what is sent twice with the same key is said once."""


@app.post("/chats/{chat}/messages")
async def say(said: Said, thread: UsersThread) -> dict[str, str]:
    run = await guide.enqueue_async(said.text, thread, when_busy="reject", idempotency_key=said.key)
    return {"run": run.id}


@app.get("/chats/{chat}/runs/{run_id}/events")
async def follow(
    run_id: str, thread: UsersThread, last_event_id: Annotated[int, Header(ge=0)] = 0
) -> StreamingResponse:
    run = await Run.load_async(run_id)
    if run.thread_id != thread.id:
        raise HTTPException(404)
    return StreamingResponse(
        frames(run, last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def frames(run: Run, after: int) -> AsyncIterator[str]:
    try:
        async for event in run.events_async(after, public=True):
            yield event.sse()
    except errors.ThreadmillError:
        # The events after this number are gone, or the store is: the page reads the chat again.
        yield "event: lost\ndata: {}\n\n"


# ---- what can go wrong -----------------------------------------------------------------------

STATUSES: dict[type[Exception], int] = {
    errors.RunNotFound: 404,
    errors.ThreadLocked: 409,
    errors.CallerError: 400,
    errors.InfrastructureError: 503,
}


@app.exception_handler(errors.ThreadmillError)
async def refuse(_: Request, error: Exception) -> JSONResponse:
    """Answer with a status, and without the error's text, which names what is inside."""
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 500)
    return JSONResponse({"error": type(error).__name__}, status)


if __name__ == "__main__":
    # Browsers whose streams are cut by a restart connect again.
    uvicorn.run(app, host="127.0.0.1", port=8000, timeout_graceful_shutdown=1)
