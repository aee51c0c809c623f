"""A web server on loopback that keeps what it is sent and answers as it is told; and one that never answers."""
import http.server
import json
import socket
import ssl
import subprocess
import threading

from tests.support.until import until


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body

    def json(self):
        return json.loads(self.body)


class Receiver:
    """`answer(request)` gives a status, (status, headers) or (status, headers, body); it runs on the connection's thread."""

    def __init__(self, answer=lambda request: 200, tls=None):
        self.requests = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def take(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, self.headers, body)
                with receiver._lock:
                    receiver.requests.append(request)
                answered = answer(request)
                status, headers, body = (answered, {}, b"") if isinstance(answered, int) else (*answered, b"")[:3]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = take

            def log_message(self, *_):
                pass

        class HttpServer(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # A client that gives up is no error here.

        self.http = HttpServer(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def all(self):
        with self._lock:
            return list(self.requests)

    def got(self, count, seconds=30):
        """At least so many requests, once they have come."""
        return until(lambda: (lambda all: all if len(all) >= count else None)(self.all()), seconds, f"{count} requests")

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Silent:
    """Accepts connections and never answers; `most` is how many were open at once."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.taken = self.open = self.most = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with self._lock:
                self.taken += 1
                self.open += 1
                self.most = max(self.most, self.open)
            threading.Thread(target=self._swallow, args=(connection,), daemon=True).start()

    def _swallow(self, connection):
        with connection:
            while True:
                try:
                    if not connection.recv(65536):
                        break
                except OSError:
                    break
        with self._lock:
            self.open -= 1

    def close(self):
        self.socket.close()


class Talker:
    """Answers each request with `first`, then with `again` until the other side has had enough; without `again` it closes. `over`: calls that have ended."""

    def __init__(self, first, again=b""):
        self.first, self.again, self.over = first, again, 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65536)
                connection.sendall(self.first)
                while self.again:
                    connection.sendall(self.again)
            except OSError:
                pass
        self.over += 1

    def close(self):
        self.socket.close()


def authority(directory):
    """An authority of our own and a certificate for 127.0.0.1 that it signed: (its PEM file, (certificate, key))."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=directory)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=receiver", "-keyout", "own.key", "-out", "own.csr")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "own.pem")
    return directory / "ca.pem", (directory / "own.pem", directory / "own.key")
