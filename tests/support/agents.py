"""The agents of a server's machines and of its host, as processes."""
import os
import pathlib
import subprocess


def agents_of(server, instance):
    """Pids of the machine's own agent: `stillpoint agent` whose host name is the instance's."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            root = os.readlink(entry / "root")
            host = subprocess.run(["nsenter", "-t", entry.name, "-u", "hostname"], capture_output=True, text=True, check=False).stdout.strip() if b"agent" in words else ""
        except OSError:
            continue
        if b"agent" in words and host == instance and root:
            found.append(int(entry.name))
    return found


def host_agents(server):
    found = []
    for pid in server.processes():
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"agent" in words and str(server.data / "host-agent").encode() in words:
            found.append(pid)
    return found


def peak_memory(pid):
    """The most memory that the process ever had resident, in bytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmHWM of {pid}")


def forget_peak(pid):
    """From now on peak_memory() counts anew."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def assert_peak(pid, most, before=0):
    """The process never had more than `most` bytes beyond `before`. Not asked of a program under a sanitizer: most of its memory is not its own."""
    peak = peak_memory(pid)
    if "STILLPOINT_REPORTS" not in os.environ:
        assert peak - before < most, f"{peak >> 10} KiB, {before >> 10} KiB before"
