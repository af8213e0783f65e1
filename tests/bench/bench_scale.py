"""Looks at 1,000 to 1,000,000 parked goroutines: how long, at what cost to us and to the target; beside it a debugger's
list of them and the program's own dump."""
import os
import subprocess
import time

import harness
import measure
import results

DELVE = os.path.join(os.environ.get("GOTRACE_DELVE", "/var/cache/gotrace-leak/delve"), "usr", "bin", "dlv")
TARGETS = {100000: (0.060, 0.025), 1000000: (0.6, 0.25)}  # seconds: cold, unchanged
IDLE_SECONDS, LONG_SECONDS, SHORT_SECONDS = 2, 8, 2
DELVE_SECONDS, DUMP_SECONDS = 30, 30


def _gap(process):
    return measure.ask(process, "gap")[0] / 1e9


def _looks(process, runs):
    """(time of the first look, time of the last, tool) of each run."""
    seen = []
    for seconds in runs:
        with measure.tool(process.pid, duration="%ds" % seconds) as tool:
            tool.finish(stop=False)
        snapshots = tool.report["sources"]["snapshots"]
        cold = snapshots.get("first_read_seconds", snapshots["longest_read_seconds"])
        seen.append((cold, snapshots["last_read_seconds"], tool))
    return seen


def _own_rows(context, count, process, runs):
    _gap(process)
    time.sleep(IDLE_SECONDS)
    idle = _gap(process)
    seen = _looks(process, runs)
    gap = _gap(process)
    name, limits = "%d goroutines: " % count, TARGETS.get(count)
    for what, values, limit in (("cold look", [cold for cold, _, _ in seen], limits and limits[0]),
                                ("unchanged look", [last for _, last, _ in seen], limits and limits[1])):
        target = ("<= %.0f ms" % (1e3 * limit), lambda x, limit=limit: x <= limit) if limit else ("", None)
        context.add(results.sampled("scale", name + what, values, results.milliseconds, *target))
    # The longest run says most truly what we use over time: starting is a fixed cost.
    share, rss = seen[0][2].own_cpu_share(), max(tool.rss_bytes for _, _, tool in seen)
    wanted = {"target": "<= 5 %", "met": share <= 0.05} if count == 10000 else {}
    context.add(results.Row("scale", name + "our CPU over %d s, starting included, of one core" % runs[0], results.percent(share),
                            values={"share": share}, **wanted))
    limit = (64 << 20) + 64 * count
    context.add(results.Row("scale", name + "our peak RSS", "%.1f MiB" % (rss / 2 ** 20), target="<= %.0f MiB" % (limit / 2 ** 20),
                            met=rss <= limit, values={"bytes": rss}))
    context.add(results.Row("scale", name + "target's longest pause while we looked", results.milliseconds(gap),
                            "%s when nobody did" % results.milliseconds(idle), values={"seconds": gap, "idle": idle}))


def _dump(process, debug):
    """(What is shown, what is shown of the target's pause, values); after a dump that takes too long the target is of no
    more use."""
    _gap(process)
    try:
        took, size = measure.ask(process, "dump %d" % debug, DUMP_SECONDS)
    except measure.NoAnswer:
        return "more than %d s" % DUMP_SECONDS, "", {}
    gap = _gap(process)
    stood = "target stood for %s" % results.milliseconds(gap)
    return results.milliseconds(took / 1e9), stood, {"seconds": took / 1e9, "gap": gap, "bytes": size}


def _pprof_rows(context, count, process):
    for debug, what in ((1, "grouped"), (2, "full")):
        shown, stood, values = _dump(process, debug)
        context.add(results.Row("scale", "%d goroutines: runtime/pprof's %s dump" % (count, what), shown, stood, values=values))
        if not values:
            return


def _delve(process, directory):
    """Seconds that dlv takes to attach, list all goroutines and go; None when it takes too long."""
    commands = os.path.join(directory, "commands")
    with open(commands, "w") as file:
        file.write("goroutines\nquit\n")
    begin = time.monotonic()
    command = [DELVE, "attach", str(process.pid), "--allow-non-terminal-interactive=true", "--init", commands]
    try:
        output = subprocess.run(command, input=b"n\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True,
                                env=dict(os.environ, HOME=directory), timeout=DELVE_SECONDS).stdout
    except subprocess.TimeoutExpired:
        return None
    if b" goroutines]" not in output:
        raise RuntimeError("dlv did not list goroutines: %r" % output[-300:])
    return time.monotonic() - begin


def _delve_row(context, count):
    # With debug information, which dlv needs.
    with harness.temporary_directory() as directory, \
            harness.target("benchgoroutines", variant="default", arguments=(str(count),), stdin=subprocess.PIPE) as process:
        _gap(process)
        took = _delve(process, directory)
        if took is None:  # killed while it held the target: that one is of no more use
            shown, gap = "more than %d s" % DELVE_SECONDS, "all that time"
        else:
            shown, gap = results.milliseconds(took), results.milliseconds(_gap(process))
    context.add(results.Row("scale", "%d goroutines: dlv attach, list, detach" % count, shown, "target stood for %s" % gap,
                            values={"seconds": took}))


def run(context):
    counts = (1000, 10000, 100000) if context.quick else (1000, 10000, 100000, 1000000)
    for count in counts:
        runs = [SHORT_SECONDS + 1] if context.quick else [LONG_SECONDS, SHORT_SECONDS, SHORT_SECONDS]
        with harness.target("benchgoroutines", arguments=(str(count),), stdin=subprocess.PIPE) as process:
            _own_rows(context, count, process, runs)
            _pprof_rows(context, count, process)
    for count in counts[:1] if context.quick else counts[:3]:
        _delve_row(context, count)
