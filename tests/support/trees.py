"""Trees of files with everything that is hard to back up, and what two of them must have in common."""
import hashlib
import os
import stat


def make_awkward(folder):
    """Fills `folder` (made if absent) with files that backups tend to get wrong. Needs root."""
    os.makedirs(folder, exist_ok=True)
    base = os.fsencode(folder)

    def put(name, data=b"x", mode=None, owner=None):
        path = os.path.join(base, name)
        with open(path, "wb") as file:
            file.write(data)
        if owner:
            os.chown(path, *owner)
        if mode is not None:
            os.chmod(path, mode)
        return path

    put(b"plain", os.urandom(70_000))
    put(b"empty", b"")
    put(b"with space and \n newline")
    put(b"-leading-dash")
    put(b"star*question?[bracket]")
    put(b"back\\slash")
    put(b"\xff\xfe not utf-8")
    put("ümläut €".encode())
    put(b"n" * 255)
    put(b"no-rights", b"secret", 0)
    put(b"setuid", b"#!/bin/true\n", 0o4755)
    put(b"owned", b"o", 0o640, (1234, 5678))
    first = put(b"hard-1", b"hard")
    os.link(first, os.path.join(base, b"hard-2"))
    os.symlink(b"/does/not/exist", os.path.join(base, b"dangling"))
    os.symlink(b"plain", os.path.join(base, b"relative"))
    os.mkfifo(os.path.join(base, b"fifo"))
    sparse = put(b"sparse", b"")
    os.truncate(sparse, 3_000_000)
    os.setxattr(put(b"attributes"), "user.note", b"\x00binary\xff")
    os.makedirs(os.path.join(base, b"deep", *[b"d%d" % i for i in range(20)]))
    os.makedirs(os.path.join(base, b"sticky"))
    os.chmod(os.path.join(base, b"sticky"), 0o1777)
    os.makedirs(os.path.join(base, b"empty-folder"))
    os.chown(os.path.join(base, b"empty-folder"), 77, 88)
    os.utime(os.path.join(base, b"plain"), ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321))


def facts(folder):
    """path → everything of each entry below `folder` that must survive a restore."""
    out = {}
    links = {}
    base = os.fsencode(folder)
    for top, folders, files in os.walk(base):
        for name in folders + files:
            path = os.path.join(top, name)
            about = os.lstat(path)
            kind = stat.S_IFMT(about.st_mode)
            entry = {"mode": oct(about.st_mode), "owner": (about.st_uid, about.st_gid)}
            if kind == stat.S_IFLNK:
                entry["target"] = os.readlink(path)
            else:
                entry["mtime"] = about.st_mtime_ns
                entry["attributes"] = {key: os.getxattr(path, key) for key in os.listxattr(path)}
            if kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    entry["hash"] = hashlib.sha256(file.read()).hexdigest()
                if about.st_nlink > 1:
                    entry["hard link of"] = links.setdefault(about.st_ino, os.path.relpath(path, base))
            out[os.path.relpath(path, base)] = entry
    return out
