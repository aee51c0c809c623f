"""A server that dies at a fail point while a client is at work."""
from tests.support.until import until


def killed_while(server, service, point, count, times, work):
    """Starts the server anew so that it dies when it comes to `point` for the `count`-th time; calls work(client, n) for n from 0 until a call
    fails or `times` are done; starts it once more when it has died. What the calls that were acknowledged returned."""
    server.stop()
    points = server.directory / "points"
    points.write_text(f"{point} kill {count}\n")
    server.args = ["--failpoints", str(points)]
    server.start()
    # A call that is made again by the client could be acknowledged by the next server.
    client = server.client(service, retries={"max_attempts": 0})
    acknowledged = []
    for n in range(times):
        try:
            acknowledged.append(work(client, n))
        except Exception:  # noqa: BLE001 - whatever the client makes of a cut connection
            break
    until(lambda: server.process.poll() is not None, 20, f"{point} is hit")
    server.args = []
    server.start()
    return acknowledged
