#!/usr/bin/env python3
"""What gotrace-leak costs and how fast it is, as ratios: bench.py [caddy|snapshot|trace...] (default: all).

caddy     requests per second of caddy under wrk, traced / untraced, in alternating runs
snapshot  time of a look at 1,000, 10,000 and 100,000 parked goroutines, and our own memory
trace     events per second through record and through replay, bytes per event"""
import os
import platform
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402
import test_servers  # noqa: E402

ROUNDS, ROUND_SECONDS = 6, 8


def row(name, value):
    print("%-58s %s" % (name, value), flush=True)


def requests_per_second(url, seconds=ROUND_SECONDS):
    output = subprocess.run(["wrk", "-t1", "-c50", "-d%ds" % seconds, url], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))


def finish(tool):
    """Output of a tool that was started with harness.running, and the peak of its resident memory in MiB."""
    output = tool.stdout.read()
    _, status, usage = os.wait4(tool.pid, 0)
    tool.returncode = os.waitstatus_to_exitcode(status)
    if tool.returncode != 0:
        raise RuntimeError("gotrace-leak ended with %d" % tool.returncode)
    return output, usage.ru_maxrss / 1024


def bench_caddy():
    ratios, again, rss = [], [], 0.0
    with test_servers.server(test_servers.caddy) as (process, url, _):
        requests_per_second(url)  # warm
        previous = None
        for _ in range(ROUNDS):
            untraced = requests_per_second(url)
            if previous:
                again.append(untraced / previous)
            previous = untraced
            with harness.running("-p", process.pid, "--duration", "%ds" % (ROUND_SECONDS + 2), stderr=subprocess.DEVNULL) as tool:
                time.sleep(1)
                ratios.append(requests_per_second(url) / untraced)
                rss = max(rss, finish(tool)[1])
    row("caddy under wrk, traced / untraced, median of %d" % ROUNDS,
        "%.3f (%.3f - %.3f)" % (statistics.median(ratios), min(ratios), max(ratios)))
    row("  noise: untraced / the untraced run before", "%.3f - %.3f" % (min(again), max(again)))
    row("  our peak RSS", "%.1f MiB" % rss)


def bench_snapshot():
    first = None
    for count in (1000, 10000, 100000):
        with harness.target("manygoroutines", arguments=(str(count),)) as process:
            with harness.running("-p", process.pid, "--duration", "6s", "-f", "json", stderr=subprocess.DEVNULL) as tool:
                output, rss = finish(tool)
        snapshots = harness.json.loads(output)["sources"]["snapshots"]
        longest, last = snapshots["longest_read_seconds"] * 1e3, snapshots["last_read_seconds"] * 1e3
        first = first or longest
        row("look at %7d goroutines: first, later" % count,
            "%.1f ms, %.1f ms; x %.1f of 1,000; our peak RSS %.1f MiB" % (longest, last, longest / first, rss))


def bench_trace():
    with harness.temporary_directory() as directory, test_servers.server(test_servers.caddy) as (process, url, _):
        path = os.path.join(directory, "t.gtl")
        with test_servers.load(url):
            with harness.running("-p", process.pid, "--duration", "10s", "--record", path, "--max-overhead", "50%", "-f", "json",
                                 stderr=subprocess.DEVNULL) as tool:
                report = harness.json.loads(finish(tool)[0])
        events = sum(probe["hits"] or 0 for probe in report["sources"]["probes"])
        lost = sum(probe["lost"] or 0 for probe in report["sources"]["probes"])
        begin = time.monotonic()
        with harness.running("report", path, stderr=subprocess.DEVNULL) as tool:
            _, rss = finish(tool)
        seconds = time.monotonic() - begin
        size = os.path.getsize(path)
    if not events:
        row("trace", "no events were recorded")
        return
    cpu = report["overhead"]["own_cpu_seconds"]
    row("record: events per second (lost %d of %d)" % (lost, events), "%.0f" % (events / report["window"]["seconds"]))
    if cpu:
        row("  events per second of our own CPU", "%.0f" % (events / cpu))
    row("replay: events per second; faster than the recording by", "%.0f; x %.1f" % (events / seconds, report["window"]["seconds"] / seconds))
    row("bytes per event; replay's peak RSS", "%.1f; %.1f MiB" % (size / events, rss))


def main():
    benches = {"caddy": bench_caddy, "snapshot": bench_snapshot, "trace": bench_trace}
    chosen = sys.argv[1:] or list(benches)
    unknown = [name for name in chosen if name not in benches]
    if unknown:
        sys.exit("no such bench: %s; there are %s" % (" ".join(unknown), " ".join(benches)))
    row("machine", "Linux %s, %d CPUs" % (platform.release(), os.cpu_count()))
    for name in chosen:
        benches[name]()


if __name__ == "__main__":
    main()
