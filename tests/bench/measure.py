"""What the sections of the benchmark share: load, attached tools, and the costs of processes."""
import contextlib
import glob
import json
import os
import re
import signal
import subprocess
import threading
import time

import harness
import test_servers

BENCHES = os.path.join(os.path.dirname(os.path.dirname(harness.TOOL)), "tests", "bench")
SETTLE_SECONDS = 1  # between a tool's start and the first measurement of what it does


class Context:
    """What a section may use: how long, how quick, where its rows go."""

    def __init__(self, results, quick, pin, seconds, say):
        self.quick, self.say = quick, say
        self.pin = pin and os.cpu_count() > 1
        self._results, self._end = results, time.monotonic() + seconds

    def add(self, row):
        self._results.add(row)
        self.say("  %s: %s" % (row.name, row.measured))

    def rounds(self, most, least=2):
        """Counts rounds up to `most`, fewer when the section's time would not do for another one as long."""
        longest = 0.0
        for number in range(most):
            begin = time.monotonic()
            if number >= least and begin + 1.1 * longest > self._end:
                self.say("  time is up after %d of %d rounds" % (number, most))
                return
            yield number
            longest = max(longest, time.monotonic() - begin)

    def on_core(self, core, command):
        """The command, bound to one core; the server's and the load's are kept apart, which halves the noise."""
        return ["taskset", "-c", str(core)] + command if self.pin else command


# ---------------------------------------------------------------- processes
def cpu_seconds(pid):
    """CPU time of all threads of a process that are alive."""
    total = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        with contextlib.suppress(OSError), open(path) as file:
            total += int(file.read().split()[0])
    return total / 1e9


class NoAnswer(RuntimeError):
    pass


def ask(process, command, seconds=60):
    """Numbers that a target answers to a command on its stdin; NoAnswer when it takes longer than `seconds`."""
    process.stdin.write((command + "\n").encode())
    process.stdin.flush()
    line = harness.read_line(process.stdout, seconds)
    if not line.endswith(b"\n"):
        raise NoAnswer("no answer to '%s' in %d s" % (command, seconds))
    return [int(word) for word in line.split()]


class Tool:
    """gotrace-leak while it runs; `report`, `rss_bytes` and `cpu_seconds` of it once it has ended."""

    def __init__(self, process):
        self.process, self.report, self.rss_bytes, self.cpu_seconds = process, None, 0, 0.0
        self.watch = threading.Thread(target=self._watch_memory)
        self.watch.start()

    def _watch_memory(self):
        """The peak of its own resident memory. What wait4() tells begins with that of this process, which forked it."""
        while self.process.returncode is None:
            try:
                with open("/proc/%d/status" % self.process.pid) as status:
                    peak = re.search(r"VmHWM:\s+(\d+) kB", status.read())
            except OSError:
                return
            if not peak:
                return  # it has ended
            self.rss_bytes = int(peak.group(1)) * 1024
            time.sleep(0.25)  # seldom: what watches it must not take the CPU that the server lacks

    def finish(self, stop=True):
        """Reads the report; `stop`: asks for it now instead of waiting for the end of --duration."""
        if stop:
            self.process.send_signal(signal.SIGINT)
        output = self.process.stdout.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode != 0:
            raise RuntimeError("gotrace-leak ended with %d" % self.process.returncode)
        self.watch.join()
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.report = json.loads(output)
        return self

    # By count: what it says itself.
    def hits(self):
        return sum(probe["hits"] or 0 for probe in self.report["sources"]["probes"])

    def lost(self):
        return sum(probe["lost"] or 0 for probe in self.report["sources"]["probes"])

    def own_cpu_share(self):
        return self.cpu_seconds / self.report["window"]["seconds"]

    def cost_by_count(self):
        """Share of one core that its probes took, hits x calibrated cost + time in the programs; 0 without probes."""
        return self.report["overhead"]["estimated"] or 0.0

    def cost_seconds(self):
        return self.cost_by_count() * self.report["window"]["seconds"]

    def trap_ns(self):
        return self.report["overhead"]["trap_ns"]


@contextlib.contextmanager
def tool(pid, *arguments, duration="600s"):
    with harness.running("-p", pid, "--duration", duration, "-f", "json", *arguments, stderr=subprocess.DEVNULL) as process:
        yield Tool(process)


class Naive:
    """The rival of tests/bench/naive while it runs."""

    def __init__(self, process):
        self.process, self.report = process, None

    def finish(self):
        output, _ = self.process.communicate(timeout=30)
        self.report = json.loads(output)

    def hits(self):
        return self.report["newproc"] + self.report["gopark"] + self.report["mallocgc"]

    def cost_seconds(self):
        return (self.hits() * self.report["trap_ns"] + self.report["run_ns"]) / 1e9

    def trap_ns(self):
        return self.report["trap_ns"]


@contextlib.contextmanager
def naive(pid):
    with harness.started([os.path.join(BENCHES, "bench_naive"), str(pid)], stdin=subprocess.PIPE) as process:
        yield Naive(process)


# ---------------------------------------------------------------- load
class Load:
    """One run of wrk against a server: requests, requests a second, p99 in s, CPU seconds of the server a request, and the
    share of one core that it used."""

    def __init__(self, output, server_cpu_seconds):
        self.requests = int(re.search(r"(\d+) requests in ", output).group(1))
        self.per_second = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))
        value, unit = re.search(r"\s99%\s+([\d.]+)(us|ms|s)\b", output).groups()
        self.p99 = float(value) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]
        self.cpu_per_request = server_cpu_seconds / max(1, self.requests)
        self.core_share = self.cpu_per_request * self.per_second


def load(context, pid, url, seconds):
    begin = cpu_seconds(pid)
    command = context.on_core(1, ["wrk", "-t1", "-c50", "-d%ds" % seconds, "--latency", url])
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=seconds + 30)
    return Load(result.stdout, cpu_seconds(pid) - begin)


def caddy(context):
    """A running caddy: (process, url, ...), on the first core."""
    def start(directory):
        command, url, debug = test_servers.caddy(directory)
        return context.on_core(0, command), url, debug
    return test_servers.server(start)
