"""Events from the ring buffer to the model, to disk and back: made-up ones as fast as they go, and a real server's."""
import contextlib
import json
import os
import resource
import subprocess
import time

import harness
import measure
import results

SECTION = "pipeline"


def _made_up(context):
    with harness.temporary_directory() as directory, \
            harness.target("benchgoroutines", arguments=("10",), stdin=subprocess.PIPE) as process:
        command = [os.path.join(measure.BENCHES, "bench_pipeline"), str(process.pid), directory, "3" if context.quick else "9"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    seen = json.loads(output)

    def row(name, value, target="", met=None):
        context.add(results.Row(SECTION, name, results.millions(value), target=target, met=met, values={"per_second": value}))

    row("made-up events: ring buffer to model, a second of CPU", seen["drain"], ">= 5 M/s", seen["drain"] >= 5e6)
    row("made-up events: ring buffer to model and trace, a second of CPU", seen["record"])
    row("made-up events: replay to model, a second of CPU", seen["replay"], ">= 10 M/s", seen["replay"] >= 10e6)
    context.add(results.Row(SECTION, "made-up events: bytes an event in the trace", "%.2f" % (seen["bytes"] / seen["events"])))


@contextlib.contextmanager
def _loaded(url, seconds):
    command = ["wrk", "-t1", "-c50", "-d%ds" % seconds, url]
    with harness.started(command, ready=False, stderr=subprocess.DEVNULL):
        time.sleep(1)
        yield


def _replay(path):
    """Seconds of CPU that a report of the trace takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    harness.json_report("report", path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _real(context, process, url, directory, name, arguments):
    seconds = 3 if context.quick else 10
    path = os.path.join(directory, "caddy.gtl")
    with _loaded(url, seconds + 30), measure.tool(process.pid, "--record", path, "--force", *arguments,
                                                  duration="%ds" % seconds) as tool:
        tool.finish(stop=False)
    size, events, window = os.path.getsize(path), tool.hits() - tool.lost(), tool.report["window"]["seconds"]
    context.add(results.Row(SECTION, name + ": events a second recorded", "%.0f/s" % (events / window),
                            "%d of %d lost" % (tool.lost(), tool.hits()), values={"events": events, "lost": tool.lost()}))
    context.add(results.Row(SECTION, name + ": trace on disk", "%.1f KiB/s" % (size / window / 1024), values={"bytes": size}))
    return size, events, tool, path


def _real_rows(context):
    with harness.temporary_directory() as directory, measure.caddy(context) as (process, url, _):
        name = "caddy under load, every allocation, 50 %"
        size, events, tool, path = _real(context, process, url, directory, name,
                                         ("--max-overhead", "50%", "--probes", "births,parks,ends,mallocgc"))
        if not events:
            raise RuntimeError("no events were recorded")
        context.add(results.Row(SECTION, name + ": bytes an event", "%.2f" % (size / events), target="<= 6", met=size <= 6 * events,
                                values={"bytes": size, "events": events}))
        context.add(results.Row(SECTION, name + ": recorded, a second of our CPU, all included",
                                results.millions(events / tool.cpu_seconds)))
        context.add(results.Row(SECTION, name + ": report of the trace, a second of CPU, all included",
                                results.millions(events / _replay(path))))
        _real(context, process, url, directory, "caddy under load, default mode", ())


def run(context):
    _made_up(context)
    _real_rows(context)
