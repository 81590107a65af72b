"""A server that speaks as OpenAI's does, and says what a test wants."""

from __future__ import annotations

import json
import math
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def said(content, logprobs=None):
    return {"choices": [{"message": {"content": content}, "logprobs": logprobs}]}


def yes(share=None):
    if share is None:
        return said("Yes.")
    top = [
        {"token": " Yes", "logprob": math.log(share)},
        {"token": "no", "logprob": math.log(1 - share)},
    ]
    return said("Yes", {"content": [{"top_logprobs": top}]})


@contextmanager
def server(answer):
    """`answer(body, number)` gives (status, JSON or text, headers); every request is kept."""
    asked, lock = [], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):  # the name that http.server calls
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                asked.append((self.path, body, dict(self.headers)))
                number = len(asked)
            status, content, headers = answer(body, number)
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(
        target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}/v1", asked
    finally:
        made.shutdown()
        made.server_close()
        thread.join(5)
