"""A Debian guest (`./x guest`) as a machine of the server's: powered by the qemu driver, a root shell on its second serial port."""
import itertools
import os
import pathlib
import signal
import socket
import subprocess
import time

from tests.support.server import ROOT
from tests.support.until import until

FOLDER = ROOT / "build" / "guest"
# What the guest calls the host that it runs on.
HOST = "10.0.2.2"


def image():
    """The image's path without its end; None if it was not made."""
    made = sorted(FOLDER.glob("*.img"))
    return made[0].with_suffix("") if made else None


class Guest:
    def __init__(self, folder, files):
        """`files`: what the guest finds in /run/files."""
        self.folder = pathlib.Path(folder)
        self.socket_path = self.folder / "shell"
        self.console = self.folder / "console.log"
        base = image()
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{base}.img", "-F", "raw", self.folder / "disk.qcow2"], check=True)
        for file in files:
            (self.folder / "files").mkdir(exist_ok=True)
            (self.folder / "files" / pathlib.Path(file).name).write_bytes(pathlib.Path(file).read_bytes())
        subprocess.run(["tar", "-cf", self.folder / "files.tar", "-C", self.folder / "files", "."], check=True)
        self.argv = ["/usr/bin/qemu-system-x86_64", "-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max", "-smp", "2", "-m", "768", "-display", "none", "-nodefaults",
                     "-no-user-config", "-kernel", str(FOLDER / "vmlinuz"), "-initrd", f"{base}.initrd", "-append", "console=ttyS0 quiet panic=-1 systemd.show_status=1",
                     "-serial", f"file:{self.console}", "-chardev", f"socket,id=shell,path={self.socket_path},server=on,wait=off", "-serial", "chardev:shell",
                     "-drive", f"file={self.folder}/disk.qcow2,if=virtio,cache=unsafe", "-drive", f"file={self.folder}/files.tar,if=virtio,format=raw,readonly=on",
                     "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"]
        self._shell = None
        self._unread = b""
        self._numbers = itertools.count(1)

    def connect(self, seconds=120):
        """After a boot: waits for the shell and unpacks the files."""
        self.close()

        def opened():
            shell = socket.socket(socket.AF_UNIX)
            try:
                shell.connect(str(self.socket_path))
                return shell
            except OSError:
                shell.close()
                return None
        self._shell = until(opened, 30, "the guest's serial port")
        self._unread = b""
        # What is written before the shell is there may be lost: asked until it answers.
        deadline = time.monotonic() + seconds
        while True:
            try:
                # A terminal makes the shell an interactive one: without prompts it says only what is asked.
                self._shell.sendall(b"\nPS1= PS2=\n")
                self.ask("true", 5)
                break
            except TimeoutError:
                assert time.monotonic() < deadline, f"no shell in the guest within {seconds} s; console:\n{self.console.read_text(errors='replace')[-3000:]}"
        # Answers to what was asked too early.
        self.run("sleep 0.5")
        self._unread = b""
        self.run("mkdir -p /run/files && tar -xf /dev/vdb -C /run/files")

    def close(self):
        if self._shell:
            self._shell.close()
        self._shell = None

    def kill(self):
        """Its process, which belongs to nobody any more."""
        self.close()
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.socket_path).encode() in entry.read_bytes():
                    os.kill(int(entry.parent.name), signal.SIGKILL)
            except OSError:
                pass

    def ask(self, command, seconds=60):
        """Runs it; its exit status and what it printed."""
        number = next(self._numbers)
        mark = f"@@{number}:".encode()
        self._shell.sendall(f"{{ {command}\n}} </dev/null 2>&1; echo \"@@\"{number}:$?@\n".encode())
        deadline = time.monotonic() + seconds
        while True:
            at = self._unread.find(mark)
            end = self._unread.find(b"@", at + len(mark)) if at >= 0 else -1
            if end >= 0:
                text = self._unread[:at].decode(errors="replace")
                status = int(self._unread[at + len(mark):end])
                self._unread = self._unread[end + 1:].lstrip(b"\r\n")
                return status, text.replace("\r\n", "\n")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{command}: no answer within {seconds} s; so far: {self._unread[-500:]!r}")
            self._shell.settimeout(left)
            try:
                got = self._shell.recv(65536)
            except TimeoutError:
                continue
            assert got, "the guest went down"
            self._unread += got

    def run(self, command, seconds=60):
        status, text = self.ask(command, seconds)
        assert status == 0, f"{command}: exit {status}: {text}"
        return text.strip()

    def until(self, command, seconds=60):
        return until(lambda: self.ask(command)[0] == 0, seconds, command, every=0.3)
