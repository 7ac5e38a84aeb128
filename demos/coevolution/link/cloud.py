"""The cloud's side: a process that answers texts with the large model, and keeps what people said.

python -m demos.coevolution.link.cloud VERSION_FOLDER KEPT_FILE PORT_FILE [PORT]

It ends when its standard input closes.
"""

from __future__ import annotations

import contextlib
import socketserver
import sys
from pathlib import Path
from typing import Any

from demos.coevolution.deploy.runtime import Student
from demos.coevolution.link.feedback import Kept, Said
from demos.coevolution.link.messages import Wire
from demos.coevolution.link.parent import end_with_parent
from shared.errors import UserError
from shared.files import written_whole


def serve(version: Path, kept: Path, port_file: Path, port: int = 0) -> None:
    """Answer until killed; the port is written to a file when all is ready."""
    student = Student(version)

    class Handler(socketserver.BaseRequestHandler):
        """One device."""

        def handle(self) -> None:
            """Answer its messages until it hangs up."""
            wire = Wire(self.request)
            with contextlib.closing(Kept(kept)) as words, contextlib.suppress(OSError, ValueError):
                while True:
                    wire.send(_answer(student, words, wire.receive()))

    class Server(socketserver.ThreadingTCPServer):
        """Many devices."""

        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", port), Handler) as server:
        with written_whole(port_file) as temporary:
            temporary.write_text(str(server.server_address[1]))
        server.serve_forever()


def _answer(student: Student, words: Kept, message: dict[str, Any]) -> dict[str, Any]:
    try:
        if "ask" in message:
            return {"odds": round(student(str(message["ask"]))["positive"], 4)}
        if "said" in message:
            return {"kept": words.keep([Said(*each) for each in message["said"]])}
    except UserError as error:
        return {"error": str(error)}
    return {"error": "a message must hold ask or said"}


if __name__ == "__main__":
    end_with_parent()
    serve(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 0)
