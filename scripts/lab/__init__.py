"""The laboratory: real servers, real clients and presmesh nodes on loopback, in a folder of their own, ended by pid.

Used by scripts/demo, tests/interop and tests/bench. Nothing is started as a system service, nothing listens beyond loopback,
and whatever way the program ends (verdict, exception, Ctrl-C, SIGTERM, a lost terminal), close() ends every process it started.
Where the program is killed, the kernel ends them; only their folder stays.
"""
import atexit
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("PRESMESH_BIN", ROOT / "build" / "release" / "bin"))
PYTHON = "/usr/bin/python3"  # Debian's, which has slixmpp


class LabError(RuntimeError):
    """Something the laboratory needs did not come up; the text says what and where its log is."""


def wait_for(condition, seconds, what, every=0.02):
    """Polls `condition` until it answers something true, and answers that; LabError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds} s for {what}")
        time.sleep(every)


def tcp_open(port, host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.settimeout(0.2)
        return s.connect_ex((host, port)) == 0


LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def end_with(parent):
    """In a child before it runs its program: whatever becomes of the laboratory, the child gets SIGTERM."""
    LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:  # it was killed meanwhile
        os._exit(1)


def end_on_signals():
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda got, _: sys.exit(128 + got))


class Process:
    """A program started by the laboratory, its output in a log file of its own."""

    def __init__(self, name, argv, folder, env=None, stdin=None):
        self.name = name
        self.log = folder / f"{name}.log"
        self.argv = [str(a) for a in argv]
        out = open(self.log, "ab")
        parent = os.getpid()
        self.popen = subprocess.Popen(self.argv, stdout=out, stderr=subprocess.STDOUT, stdin=stdin or subprocess.DEVNULL, cwd=folder,
                                      env={**os.environ, **(env or {})}, start_new_session=True, preexec_fn=lambda: end_with(parent))
        out.close()

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, sig=signal.SIGTERM, seconds=8):
        """Ends the process and the children it forked (they share its process group); answers its exit status."""
        if self.running():
            try:
                self.popen.send_signal(sig)
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.popen.wait()

    def kill(self):
        """kill -9: no goodbye."""
        os.killpg(self.pid, signal.SIGKILL)
        return self.popen.wait()

    def resident_bytes(self):
        return int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        """User and system time of the process and every process of its group so far."""
        total = 0.0
        ticks = os.sysconf("SC_CLK_TCK")
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[2]) == self.pid:  # process group
                total += (int(fields[11]) + int(fields[12])) / ticks
        return total


class Server:
    """What start() of a subclass starts as self.process."""

    process = None

    def stop(self):
        return self.process.stop()

    def restart(self):
        self.stop()
        return self.start()


class Lab:
    def __init__(self, name="lab", keep_folder=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"presmesh-{name}-"))
        self.keep_folder = keep_folder
        self.processes = []
        self._taken = set()
        atexit.register(self.close)
        end_on_signals()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def port(self, align=1):
        """A high port nobody uses now, for TCP and UDP on 127.0.0.1, a multiple of `align`."""
        for _ in range(500):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                candidate = probe.getsockname()[1] // align * align
            if candidate < 10000 or candidate in self._taken:
                continue
            try:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as s:
                        s.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            self._taken.add(candidate)
            return candidate
        raise LabError("no free port found on loopback")

    def sub(self, name):
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def start(self, name, argv, folder=None, env=None, stdin=None, ready=None, seconds=20):
        process = Process(name, argv, folder or self.sub(name), env, stdin)
        self.processes.append(process)
        if ready:
            def check():
                if not process.running():
                    raise LabError(f"{name} ended with status {process.popen.returncode} while starting:\n{process.tail()}")
                return ready()
            try:
                wait_for(check, seconds, f"{name} to be ready")
            except LabError as error:
                raise LabError(f"{error}\n{process.tail()}") from None
        return process

    def close(self):
        for process in reversed(self.processes):
            process.stop(seconds=4)
        self.processes.clear()
        if not self.keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
