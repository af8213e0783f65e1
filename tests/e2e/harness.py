"""What the end-to-end tests share: build targets, start and reap them, run gotrace-leak, read the truth from sources."""
import contextlib
import errno
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGETS = os.path.join(ROOT, "tests", "targets")
BUILD = os.path.join(ROOT, "build", "targets")
TOOL = os.environ.get("GOTRACE_LEAK", os.path.join(ROOT, "build", "release", "user", "gotrace-leak"))
TOOLCHAINS = os.environ.get("GOTRACE_TOOLCHAINS", "/var/cache/gotrace-leak/go")
SERVERS = os.environ.get("GOTRACE_SERVERS", "/var/cache/gotrace-leak/servers")

VERSIONS = ["1.15", "1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"]
VARIANTS = {
    "default": [],
    "stripped": ["-ldflags=-s -w"],
    "pie-stripped": ["-buildmode=pie", "-ldflags=-s -w"],
}

_locks = {}
_locks_lock = threading.Lock()


def _lock(key):
    with _locks_lock:
        return _locks.setdefault(key, threading.Lock())


# ---------------------------------------------------------------- build
def _sources_hash(directory):
    """Of its sources and of those of the package that all may import."""
    digest = hashlib.sha256()
    for each in (directory, os.path.join(TARGETS, "busy")):
        for name in sorted(os.listdir(each)):
            with open(os.path.join(each, name), "rb") as source:
                digest.update(name.encode() + b"\0" + source.read())
    return digest.hexdigest()[:16]


def build(name, version="1.24", variant="stripped", tags=""):
    """Path of the executable of tests/targets/NAME; built once for each set of sources, toolchain and flags."""
    source = os.path.join(TARGETS, name)
    directory = os.path.join(BUILD, "bin", "-".join(filter(None, [version, variant, tags])))
    output = os.path.join(directory, "%s-%s" % (name, _sources_hash(source)))
    # One build at a time for each toolchain: they share a cache and two cores.
    with _lock("build-" + version):
        if not os.path.exists(output):
            go_build(source, output, version, variant, tags)
    return output


def _needs_cgo(source):
    return os.path.basename(source).endswith("cgo")


def go_build(source, output, version, variant, tags=""):
    """Builds the package in the directory `source`."""
    goroot = os.path.join(TOOLCHAINS, version, "usr", "lib", "go-" + version)
    os.makedirs(os.path.dirname(output), exist_ok=True)
    modfile = os.path.join(BUILD, "mod", version, "go.mod")  # so that the program gets this version's defaults
    os.makedirs(os.path.dirname(modfile), exist_ok=True)
    with open(modfile, "w") as file:
        file.write("module gotrace-leak.test/targets\n\ngo %s\n" % version)
    env = {key: value for key, value in os.environ.items() if not key.startswith("GO") or key.startswith("GOTRACE")}
    cgo = "1" if _needs_cgo(source) else "0"
    env.update(GOROOT=goroot, GOTOOLCHAIN="local", GO111MODULE="on", GOFLAGS="-mod=mod", GOPROXY="off", CGO_ENABLED=cgo,
               GOCACHE=os.path.join(BUILD, "gocache"), GOPATH=os.path.join(BUILD, "gopath"))
    command = [os.path.join(goroot, "bin", "go"), "build", "-modfile=" + modfile] + VARIANTS[variant]
    if int(version.split(".")[1]) >= 18:
        command.append("-buildvcs=false")  # sources may belong to another user than the one who builds
    if tags:
        command.append("-tags=" + tags)
    temporary = output + ".new"
    result = subprocess.run(command + ["-o", temporary, "."], cwd=source, env=env, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        raise RuntimeError("go %s cannot build %s (%s):\n%s" % (version, source, variant, result.stdout[-3000:]))
    os.rename(temporary, output)


# ---------------------------------------------------------------- truth
class Mark:
    """A place in a target's source: `// LEAK rate=5` and its like."""

    def __init__(self, file, line, values):
        self.file, self.line, self.values = file, line, values

    @property
    def rate(self):
        return float(self.values["rate"])

    def __str__(self):
        return "%s:%d" % (self.file, self.line)


def mark(name, kind):
    """The one line of tests/targets/NAME/*.go that carries `// KIND`."""
    found = []
    directory = os.path.join(TARGETS, name)
    for file in sorted(os.listdir(directory)):
        if not file.endswith(".go"):
            continue
        with open(os.path.join(directory, file)) as source:
            for number, line in enumerate(source, 1):
                match = re.search(r"// %s\b(.*)" % kind, line)
                if match:
                    found.append(Mark(file, number, dict(re.findall(r"(\w+)=(\S+)", match.group(1)))))
    if len(found) != 1:
        raise RuntimeError("tests/targets/%s has %d lines marked %s" % (name, len(found), kind))
    return found[0]


def at(frame, place):
    """Does a frame of a report stand at this mark?"""
    return bool(frame) and os.path.basename(frame["file"]) == place.file and frame["line"] == place.line


# ---------------------------------------------------------------- processes
def read_line(stream, seconds):
    """One line of a pipe, or what came of it before the time was up."""
    deadline, line = time.monotonic() + seconds, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], max(0, deadline - time.monotonic()))
        byte = os.read(stream.fileno(), 1) if ready else b""
        if not byte:
            break
        line += byte
    return line


def reap(process):
    """Ends the process and everything in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def _popen(command, **options):
    """Popen, tried again while a child that another thread forks still holds the new executable open for writing."""
    for _ in range(50):
        try:
            return subprocess.Popen(command, **options)
        except OSError as error:
            if error.errno != errno.ETXTBSY:
                raise
            time.sleep(0.05)
    return subprocess.Popen(command, **options)


@contextlib.contextmanager
def started(command, ready=True, **options):
    """A process in a session of its own, always reaped; with `ready`, its line READY is awaited."""
    process = _popen(command, stdout=subprocess.PIPE, start_new_session=True, **options)
    try:
        if ready:
            line = read_line(process.stdout, 60)
            if line.strip() != b"READY":
                raise RuntimeError("%s did not become ready: %r" % (command[0], line))
        yield process
    finally:
        reap(process)


@contextlib.contextmanager
def target(name, version="1.24", variant="stripped", tags="", arguments=(), env=None, **options):
    """A running target of tests/targets, READY."""
    executable = build(name, version, variant, tags)
    with started([executable, *arguments], env=dict(os.environ, **(env or {})), **options) as process:
        yield process


@contextlib.contextmanager
def temporary_directory():
    path = tempfile.mkdtemp(prefix="gotrace-e2e-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def tool_environment(**changes):
    env = dict(os.environ, LC_ALL="C.UTF-8")
    for name in ("NO_COLOR", "COLUMNS", "SUDO_UID", "SUDO_GID"):
        env.pop(name, None)
    env.update(changes)
    return env


def run(*arguments, timeout=90, env=None, **options):
    """gotrace-leak with these arguments, to its end."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([TOOL, *map(str, arguments)], stderr=subprocess.PIPE, timeout=timeout,
                          env=tool_environment(**(env or {})), **options)


@contextlib.contextmanager
def running(*arguments, env=None, **options):
    """gotrace-leak with these arguments, in the background, always reaped."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    process = subprocess.Popen([TOOL, *map(str, arguments)], stdin=subprocess.DEVNULL, start_new_session=True,
                               env=tool_environment(**(env or {})), **options)
    try:
        yield process
    finally:
        reap(process)


def attached(pid, seconds=15):
    """Waits until somebody's uprobe stands in the process: its executable page differs from the file."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if code_differs(pid):
            return True
        time.sleep(0.05)
    return False


# ---------------------------------------------------------------- the target's own state
def code_differs(pid):
    """Offsets at which the executable pages in memory differ from the file: breakpoints that were left there."""
    differences = []
    exe = os.readlink("/proc/%d/exe" % pid)
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory, \
            open("/proc/%d/exe" % pid, "rb", 0) as file:
        for line in maps:
            fields = line.split(None, 5)
            if len(fields) < 6 or fields[5].strip() != exe or "x" not in fields[1]:
                continue
            begin, end = (int(part, 16) for part in fields[0].split("-"))
            memory.seek(begin)
            file.seek(int(fields[2], 16))
            in_memory, on_disk = memory.read(end - begin), file.read(end - begin)
            if in_memory[:len(on_disk)] != on_disk:
                differences += [i for i in range(len(on_disk)) if in_memory[i] != on_disk[i]]
    return differences


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


# ---------------------------------------------------------------- goroutine dumps
class Goroutine:
    def __init__(self, goid, state):
        self.goid, self.state, self.frames, self.created = goid, state, [], None


def parse_dump(text):
    """Go's own dump of all goroutines: {id: Goroutine}; a frame is (function, "file:line")."""
    goroutines = {}
    for block in re.split(r"\n\n+", text.strip()):
        lines = block.split("\n")
        head = re.match(r"goroutine (\d+)(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[([^\]]*)\]:$", lines[0])
        if not head:
            continue
        goroutine = Goroutine(int(head.group(1)), head.group(2).split(",")[0])
        for function, place in zip(lines[1:], lines[2:]):
            where = re.match(r"\t.*?([^/]+:\d+)(?: \+0x[0-9a-f]+)?$", place)
            if not where:
                continue
            if function.startswith("created by "):
                goroutine.created = (re.sub(r" in goroutine \d+$", "", function[11:]), where.group(1))
            else:
                goroutine.frames.append((function[:function.rfind("(")], where.group(1)))
        goroutines[goroutine.goid] = goroutine
    return goroutines


def frame_key(frame):
    """A frame of a JSON report in the form of parse_dump."""
    return (frame["function"], "%s:%d" % (os.path.basename(frame["file"]), frame["line"])) if frame else None


# Wrappers of `go f(x)` statements and of method values: Go's own dump leaves them out.
_WRAPPER = re.compile(r"\.(func\d+|gowrap\d+|deferwrap\d+)$|-fm$")
_DUMP_FRAMES = 50  # Go >= 1.21 prints the innermost and outermost 50 of a longer stack, older ones the innermost 100


def _without_runtime(frames):
    # Go's dump hides the runtime's frames, but shows runtime.gopanic and calls it panic.
    return [frame for frame in frames if not frame[0].startswith("runtime.") and frame[0] != "panic"]


def comparable(own, group):
    """One goroutine as the report's group has it, and as the program itself dumped it, in a form that must be equal."""
    seen, expected = _without_runtime(map(frame_key, group["stack"])), _without_runtime(own.frames)
    if len(expected) > _DUMP_FRAMES:
        seen, expected = seen[:_DUMP_FRAMES], expected[:_DUMP_FRAMES]
    while len(seen) > len(expected) and _WRAPPER.search(seen[-1][0]):
        seen.pop()
    reasons = (None, None) if own.state == "syscall" else (group["wait_reason"], own.state)
    return ((seen, frame_key(group["created_by"]), reasons[0]), (expected, own.created, reasons[1]))


# ---------------------------------------------------------------- reports
def json_report(*arguments, **options):
    """The JSON report of a run that must succeed."""
    result = run(*arguments, "--format", "json", **options)
    if result.returncode != 0:
        raise AssertionError("exit %d: %s" % (result.returncode, result.stderr.decode("utf-8", "replace")))
    return json.loads(result.stdout)


def schema():
    with open(os.path.join(ROOT, "include", "gotrace", "report.schema.json")) as file:
        return json.load(file)


def describe(findings):
    """Findings in short, for the message of a failed test."""
    return "; ".join("%s %s at %s" % (finding["verdict"], finding["title"], frame_key(finding["where"]))
                     for finding in findings) or "none"
