"""A TCP proxy on loopback that stands before a server and spoils what passes, one request a connection."""

import os
import socket
import struct
import threading
import time
from contextlib import suppress


def _answer(status, body, header="Content-Type: text/html"):
    return f"HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


ANSWERS = {
    "429": _answer("429 Too Many Requests", "slow down", "Retry-After: 60"),
    "500": _answer("500 Internal Server Error", "out of order"),
    "login page": _answer("200 OK", "<html>please log in</html>"),
    "garbage": os.urandom(2000),
}
FAULTS = ("refuse", "hang", "reset", "lost answer", *ANSWERS)
# To a row MLflow itself answers no more: only who asks for a name notices.
ANSWERS["yes to all"] = _answer("200 OK", "{}", "Content-Type: application/json")


class TcpProxy:
    """Passes requests on and counts them, or does what `fault` says.

    Faults: `refuse` nobody listens; `hang` the connection is taken and nothing is ever answered; `reset` it is torn
    down while the request is read; `lost answer` the server gets the request and its answer is torn off after ten
    bytes; `429`, `500`, `login page`, `garbage` and `yes to all` are answered instead of the server.

    Attributes:
        requests: Method and last part of the path of every request that was read.
    """

    def __init__(self, target):
        self.target = target
        self.requests = []
        self._fault = None
        self._listener = None
        self.port = 0
        self._listen()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def fault(self):
        return self._fault

    @fault.setter
    def fault(self, fault):
        assert fault is None or fault in {*FAULTS, *ANSWERS}
        self._fault = fault
        if fault == "refuse":
            self.close()
        elif self._listener is None:
            self._listen()

    def close(self):
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in `accept`
            listener.close()

    def _listen(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, suppress(OSError):
            fault = self._fault
            if fault == "hang":
                while self._fault == "hang":
                    time.sleep(0.05)
                return
            if fault == "reset":
                client.recv(100)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            request = self._read_request(client)
            if not request:
                return
            if fault in ANSWERS:
                client.sendall(ANSWERS[fault])
                return
            self._pass_on(request, client, only=10 if fault == "lost answer" else None)

    def _read_request(self, client):
        data = b""
        while b"\r\n\r\n" not in data:
            part = client.recv(65536)
            if not part:
                return b""
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        method, path, _ = lines[0].decode().split(" ")
        self.requests.append((method, path.partition("?")[0].rpartition("/")[2]))
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
        while len(body) < int(fields.get(b"content-length", 0)):
            body += client.recv(65536)
        kept = [line for line in lines if not line.lower().startswith(b"connection:")]
        return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body

    def _pass_on(self, request, client, only):
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            server.sendall(request)
            while part := server.recv(65536):
                client.sendall(part[:only])
                if only is not None:
                    return
