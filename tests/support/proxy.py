"""A bad network between an agent and its server: a TCP proxy that cuts, corrupts, stalls, half-closes and delays on purpose.

Bytes keep their order. `up` is what the agent sends, `down` what the server sends; positions count the bytes of one connection.
"""
import dataclasses
import socket
import struct
import threading

from tests.support.until import until

UP, DOWN = "up", "down"
NOW_AND_HARD = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


@dataclasses.dataclass
class Fault:
    """What happens to a connection once `at` bytes have gone in `direction`."""
    kind: str  # "cut" (reset both ways), "end" (orderly close both ways), "corrupt" (that byte is changed), "stall" (no byte more that
    #            way), "half" (end of stream that way; the other way goes on)
    direction: str = UP
    at: int = 0


class Records:
    """Follows TLS's records in one direction: where their lengths stand."""

    def __init__(self):
        self.head, self.left = b"", 0

    def lengths(self, data):
        """Which bytes of this piece are a record's length."""
        found = set()
        for i, byte in enumerate(data):
            if self.left:
                self.left -= 1
                continue
            self.head += bytes([byte])
            if len(self.head) > 3:
                found.add(i)
            if len(self.head) == 5:
                self.left, self.head = int.from_bytes(self.head[3:], "big"), b""
        return found


class Connection:
    def __init__(self, agent, server, fault, delay, piece):
        self.sockets = {UP: (agent, server), DOWN: (server, agent)}
        self.fault, self.delay, self.piece = fault, delay, piece
        self.sent = {UP: 0, DOWN: 0}
        self.records = {UP: Records(), DOWN: Records()}
        self.struck = False
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.pump, args=(direction,), daemon=True) for direction in (UP, DOWN)]
        for thread in self.threads:
            thread.start()

    def close(self, hard=True):
        self.over.set()
        for one in self.sockets[UP]:
            try:
                if hard:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW_AND_HARD)
                # The other thread may be inside recv: a shutdown wakes it, a close alone does not.
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def strike_after(self, kind, direction, count):
        """A fault for a connection that stands: once `count` more bytes have gone that way."""
        self.fault = Fault(kind, direction, self.sent[direction] + count)

    def strike(self, target):
        """The fault's moment has come; whether this direction goes on."""
        self.struck = True
        kind = self.fault.kind
        if kind in ("cut", "end"):
            self.close(hard=kind == "cut")
        elif kind == "half":
            target.shutdown(socket.SHUT_WR)
        elif kind == "stall":
            self.over.wait()
        return False

    def corrupted(self, direction, data):
        """The first byte at or behind the fault's place is changed. No length of a record grows: that would be a stall, not a corruption."""
        lengths = self.records[direction].lengths(data)
        for i in range(max(0, self.fault.at - self.sent[direction]), len(data)):
            if i not in lengths or data[i]:
                self.struck = True
                return data[:i] + bytes([0 if i in lengths else data[i] ^ 0x10]) + data[i + 1:]
        return data

    def forward(self, direction, target, data):
        fault = self.fault
        if fault and not self.struck and fault.direction == direction:
            left = fault.at - self.sent[direction]
            if fault.kind == "corrupt":
                data = self.corrupted(direction, data)
            elif left <= len(data):
                target.sendall(data[:left])
                self.sent[direction] += left
                return self.strike(target)
        target.sendall(data)
        self.sent[direction] += len(data)
        return True

    def pump(self, direction):
        source, target = self.sockets[direction]
        try:
            if self.fault and self.fault.at == 0 and self.fault.kind != "corrupt" and self.fault.direction == direction and not self.strike(target):
                return
            while True:
                data = source.recv(self.piece or 65536)
                if self.delay:
                    self.over.wait(self.delay)
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                if not self.forward(direction, target, data):
                    return
        except OSError:
            self.close(hard=False)


class Proxy:
    """Listens on 127.0.0.1 and passes on to `target` ("HOST:PORT"). `fault` is for the next connection that comes, `delay` (seconds a piece)
    and `piece` (bytes at once) for all from then on."""

    def __init__(self, target):
        self.target = target.rsplit(":", 1)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = []
        self.fault, self.delay, self.piece = None, 0.0, 0
        self.may_pass = threading.Event()
        self.may_pass.set()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                agent, _ = self.listener.accept()
            except OSError:
                return
            self.may_pass.wait()
            try:
                server = socket.create_connection((self.target[0], int(self.target[1])), timeout=5)
            except OSError:
                agent.close()
                continue
            for one in (agent, server):
                one.settimeout(None)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fault, self.fault = self.fault, None
            self.connections.append(Connection(agent, server, fault, self.delay, self.piece))

    def hold(self):
        """Ends all connections; those that come wait until release()."""
        self.may_pass.clear()
        self.drop()

    def release(self, fault=None):
        self.fault = fault
        self.may_pass.set()

    def drop(self):
        for connection in self.connections:
            connection.close()

    def last(self):
        return self.connections[-1]

    def await_connection(self, number, seconds=20):
        """The connection of that number, counted from 0."""
        return until(lambda: self.connections[number] if len(self.connections) > number else None, seconds, f"connection {number} through the proxy")

    def close(self):
        self.listener.close()
        self.may_pass.set()
        self.drop()
