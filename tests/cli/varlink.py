# SPDX-License-Identifier: BSD-2-Clause
"""A Varlink client: JSON objects that end with NUL, over a unix socket."""
import json
import socket


class Client:
    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, method, parameters=None, **flags):
        call = {"method": method, **({"parameters": parameters} if parameters is not None else {}), **flags}
        self.socket.sendall(json.dumps(call).encode() + b"\0")

    def receive(self):
        """The next reply; None when the service closed."""
        while b"\0" not in self.rest:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return None
            self.rest += piece
        reply, _, self.rest = self.rest.partition(b"\0")
        return json.loads(reply)

    def call(self, method, parameters=None, **flags):
        self.send(method, parameters, **flags)
        return self.receive()
