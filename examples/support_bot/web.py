"""A web service in front of the bot: `POST /customers/NAME` says something and streams the answer.

It knows the assistant by its name; code and key are with the workers. Many such processes may run.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from threadmill import Assistant, Thread, errors


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        try:
            self.answer()
        except errors.CallerError as error:
            self.send_error(400, str(error))
        except errors.InfrastructureError:
            self.send_error(503)

    def answer(self) -> None:
        customer = unquote(self.path.removeprefix("/customers/"))
        message = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        run = Assistant.load("support").enqueue(
            message,
            thread=Thread(key=f"customer-{customer}"),
            when_busy="interrupt",
            # A browser that sends the same message again gets the same answer.
            idempotency_key=self.headers.get(
                "Idempotency-Key"
            ),  # of this thread, so of this customer
            context={"customer": customer},
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("X-Run", run.id)
        self.send_header("Connection", "close")
        self.end_headers()
        for event in run.events():
            if event.event == "thread.message.delta":
                text = event.data["delta"]["content"][0]["text"]["value"]
                self.wfile.write(text.encode())
        if run.refresh().status != "completed":
            self.wfile.write(f"\n({run.status}: try again)\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def serve(port: int = 8000) -> ThreadingHTTPServer:
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    serve().serve_forever()
