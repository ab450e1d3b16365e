"""A provider that keeps every byte it is sent and answers with what it was asked: ``with Echo() as echo``.

It speaks OpenAI's shape, also as a stream of tiny pieces. Offered tools it calls the first one, with the first token of
the prompt as every argument; given a schema it answers with an object whose texts are the whole question.
"""

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TOKEN = re.compile(r"\[[A-Z]+_\d+_[0-9a-f]{8}\]")

TARGET = """
[[targets]]
name = "mini"
provider = "openai"
model = "gpt-4.1-mini"
tier = "light"
"""


class Echo:
    """The server; ``seen`` is every body it was sent, ``say`` changes its next answers."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.say: Callable[[str], str] = lambda asked: asked
        self.fill: Callable[[dict[str, Any], str], object] = lambda schema, said: dict.fromkeys(
            schema["properties"], said
        )
        self.spell: Callable[[object], str] = json.dumps
        """How a structured answer and the arguments of a call are written down."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"])).decode()
                outer.seen.append(raw + str(self.headers))
                body = json.loads(raw)
                kind, payload = outer._answer(body)
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, body: dict[str, Any]) -> tuple[str, bytes]:
        message = self._message(body)
        usage = {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}
        stop = "tool_calls" if "tool_calls" in message else "stop"
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": stop}
            reply = {
                "id": "r1",
                "model": body["model"],
                "object": "chat.completion",
                "choices": [choice],
                "usage": usage,
            }
            return "application/json", json.dumps(reply).encode()
        text = str(message["content"])
        deltas = [{"content": text[at : at + 3]} for at in range(0, len(text), 3)]
        chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": usage}]
        lines = [f"data: {json.dumps({'id': 'r1', 'model': body['model']} | chunk)}\n\n" for chunk in chunks]
        return "text/event-stream", "".join([*lines, "data: [DONE]\n\n"]).encode()

    def _message(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = "\n".join(str(m["content"]) for m in body["messages"] if m["role"] != "system")
        if body.get("tools") and body["messages"][-1]["role"] != "tool":
            function = body["tools"][0]["function"]
            [token, *_] = TOKEN.findall(asked)
            arguments = self.spell(dict.fromkeys(function["parameters"]["properties"], token))
            call = {"id": "c1", "type": "function", "function": {"name": function["name"], "arguments": arguments}}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        said = self.say(asked)
        if body.get("response_format"):
            schema = body["response_format"]["json_schema"]["schema"]
            said = self.spell(self.fill(schema, said))
        return {"role": "assistant", "content": said}
