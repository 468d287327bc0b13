"""A server of Weights & Biases, as far as its client asks in the tests; it keeps what comes in, and can go away."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENTITY = "tester"
SWEEP = "sweep001"


class WandbServer:
    """Listens on a free port of this machine, from the first moment on.

    with WandbServer() as server:
        subprocess.run(command, env={**os.environ, **server.environment})
        assert server.rows["a run's id"][0]["clips_seen"] == 8

    Attributes:
        asked: GraphQL operations as they came: (name, variables).
        rows: what runs have logged, by the run's id; later rows of one number replace earlier ones, as a file's bytes.
        ended: exit codes of the runs that have ended.
        files: what runs have uploaded, by `<run>/<name>`.
        commands: what an agent is told, one a heartbeat; then nothing.
        unknown: operations and addresses that are not known here, answered with an error.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.ended: dict[str, int] = {}
        self.files: dict[str, bytes] = {}
        self.commands: list[dict[str, Any]] = []
        self.unknown: list[str] = []
        self._news = threading.Condition()
        self._hangs, self._closed = threading.Event(), threading.Event()
        self._http = _Http(self)
        self._port = self._http.server_port
        self._kept: socket.socket | None = None
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """For processes that are to use it, without W&B's reports of its use; rows are sent ten times a second."""
        return {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": "a" * 40,
            "WANDB_ERROR_REPORTING": "false",
            "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "0.1",
        }

    def of(self, operation: str) -> list[dict[str, Any]]:
        """The variables of each time that it was asked."""
        return [variables for name, variables in self.asked if name == operation]

    def wait_for(self, what: Callable[[], Any], *, timeout_s: float = 200) -> Any:
        """Until it is something true; what it is then."""
        until = time.monotonic() + timeout_s
        with self._news:
            while not (found := what()) and time.monotonic() < until:
                self._news.wait(0.2)
        return found

    def vanish(self) -> None:
        """From now on connections are refused; the port stays taken, so that nobody else answers there."""
        self._http.shutdown()
        self._http.server_close()
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind(("127.0.0.1", self._port))

    def hang(self) -> None:
        """From now on connections are accepted, and nothing is answered."""
        self._hangs.set()

    def __enter__(self) -> WandbServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._kept:
            self._kept.close()
        else:
            self._http.shutdown()
            self._http.server_close()

    def respond(self, method: str, path: str, body: bytes) -> bytes | None:
        """None where it hangs, once it is closed."""
        if self._hangs.is_set():
            self._closed.wait()
            return None
        with self._news:
            answer = self._answer(method, path, body)
            self._news.notify_all()
        return json.dumps(answer).encode()

    def _answer(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        if path == "/graphql":
            return self._graphql(**json.loads(body))
        if stream := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", path):
            self._stream(stream[1], json.loads(body))
        elif method == "PUT" and path.startswith("/upload/"):
            self.files[path.removeprefix("/upload/")] = body
        else:
            self.unknown.append(path)
        return {}

    def _stream(self, run: str, sent: dict[str, Any]) -> None:
        rows = self.rows.setdefault(run, [])
        if history := sent.get("files", {}).get("wandb-history.jsonl"):
            first, lines = history["offset"], [json.loads(line) for line in history["content"]]
            rows[first : first + len(lines)] = lines
        if sent.get("complete"):
            self.ended[run] = sent["exitcode"]

    def _graphql(self, query: str, variables: dict[str, Any] | None = None, **_: Any) -> dict[str, Any]:
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name, values = found[1] if found else query, variables or {}
        self.asked.append((name, values))
        answer = getattr(self, f"_answer_{name}", None)
        if answer is None:
            self.unknown.append(name)
            return {"errors": [{"message": f"{name} is not known here"}]}
        return {"data": answer(values)}

    # ---- runs

    def _answer_Viewer(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"viewer": {"id": "1", "entity": ENTITY, "username": ENTITY, "flags": "{}", "teams": {"edges": []}}}

    def _answer_ServerFeaturesQuery(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"serverInfo": {"features": []}}

    def _answer_RunResumeStatus(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        run, rows = asked["name"], self.rows.get(asked["name"])
        if rows is None:
            return {"model": None}
        config = next(each["config"] for each in reversed(self.of("UpsertBucket")) if each["name"] == run)
        tail = json.dumps([json.dumps(row) for row in rows[-1:]])
        known = {
            **{"id": run, "name": run, "config": config, "summaryMetrics": "{}", "wandbConfig": '{"t": 1}'},
            **{"historyLineCount": len(rows), "eventsLineCount": 0, "logLineCount": 0, "tags": []},
            **{"historyTail": tail, "eventsTail": "[]", "displayName": run, "notes": ""},
        }
        return {"model": {"id": "project", "name": asked["project"], "entity": {"name": ENTITY}, "bucket": known}}

    def _answer_UpsertBucket(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        run, project = asked["name"], {"id": "project", "name": asked["project"] or "project"}
        project["entity"] = {"id": "entity", "name": ENTITY}
        bucket = {"id": run, "name": run, "project": project, "historyLineCount": len(self.rows.get(run, []))}
        for name in ("displayName", "description", "config"):
            bucket[name] = asked[name]
        return {"upsertBucket": {"bucket": {**bucket, "sweepName": asked["sweep"]}, "inserted": run not in self.rows}}

    def _answer_CreateRunFiles(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        places = [{"name": name, "uploadUrl": f"{self.url}/upload/{asked['run']}/{name}"} for name in asked["files"]]
        return {"createRunFiles": {"runID": asked["run"], "uploadHeaders": [], "files": places}}

    def _answer_ArtifactType(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"project": {"artifact": None}}

    def _answer_CreateArtifact(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        """As if it were there already: nothing has to be uploaded."""
        there = {"id": "artifact", "state": "COMMITTED", "artifactSequence": {"latestArtifact": {"id": "artifact"}}}
        return {"createArtifact": {"artifact": there}}

    # ---- sweeps: one

    def _answer_UpsertSweep(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        project = {"id": "project", "name": asked["projectName"], "entity": {"id": "entity", "name": ENTITY}}
        return {"upsertSweep": {"sweep": {"name": SWEEP, "project": project}, "configValidationWarnings": []}}

    def _answer_SweepWithRuns(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        config = self.of("UpsertSweep")[-1]["config"]
        return {"project": {"sweep": {"id": SWEEP, "name": SWEEP, "config": config, "runs": {"edges": []}}}}

    def _answer_CreateAgent(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"createAgent": {"agent": {"id": "agent"}}}

    def _answer_Heartbeat(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        commands, self.commands = self.commands[:1], self.commands[1:]
        return {"agentHeartbeat": {"agent": {"id": "agent"}, "commands": json.dumps(commands)}}


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: WandbServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = self.server.owner.respond(self.command, self.path, body)  # type: ignore[attr-defined]
        if content is None:
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = _respond  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Not to stderr."""
