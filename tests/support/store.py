"""The store of a server that does not run, changed as if much had happened."""
import contextlib
import json
import sqlite3


def multiply(server, kind, key, copies):
    """So many copies of that record, each under a name of its own; the key ends with the name."""
    with contextlib.closing(sqlite3.connect(server.data / "store.db")) as database, database:
        body, = database.execute("SELECT body FROM records WHERE kind = ? AND key = ?", (kind, key.encode())).fetchone()
        record = json.loads(body)
        for number in range(copies):
            name = f"copy-{number}"
            database.execute("INSERT INTO records (kind, key, body) VALUES (?, ?, ?)",
                             (kind, (key.removesuffix(record["Name"]) + name).encode(), json.dumps({**record, "Name": name}).encode()))
