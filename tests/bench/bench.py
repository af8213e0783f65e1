#!/usr/bin/env python3
"""The benchmark: bench.py [--quick] [--markdown] [--json FILE] [SECTION...]   (default: all sections, in this order)

caddy     throughput and p99 of caddy under wrk: untraced, default mode, all probes within 5 %, a naive rival
worst     programs that do nothing but allocate, park or spawn: is --max-overhead kept?
scale     looks at 1,000 to 1,000,000 goroutines; beside it dlv and the program's own dump
attach    from start to first report
pipeline  events a second from the ring buffer to the model, to disk and back; bytes an event
prove     pause, marking, memory and the target's loss of `prove` on heaps of 0.1, 1 and 4 GiB

One table goes to stdout at the end, what happens meanwhile to stderr, and all numbers to a JSON file. The machine should
do nothing else; how much it scatters by itself is in the table. docs/benchmarks.md says what each row means."""
import argparse
import datetime
import os
import platform
import signal
import subprocess
import sys
import time
import traceback

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e")]
import bench_attach  # noqa: E402
import bench_caddy  # noqa: E402
import bench_pipeline  # noqa: E402
import bench_prove  # noqa: E402
import bench_scale  # noqa: E402
import bench_worst  # noqa: E402
import harness  # noqa: E402
import large  # noqa: E402
import measure  # noqa: E402
from results import Results, Row  # noqa: E402

# Section: what runs, seconds that it may take in full and with --quick. In full they add up to less than 20 minutes.
SECTIONS = {
    "caddy": (bench_caddy.run, 330, 60),
    "worst": (bench_worst.run, 320, 60),
    "scale": (bench_scale.run, 210, 60),
    "attach": (bench_attach.run, 45, 30),
    "pipeline": (bench_pipeline.run, 65, 40),
    "prove": (bench_prove.run, 220, 30),
}


class OutOfTime(Exception):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


def on_signal(number, _):
    sys.exit(128 + number)  # by an exception, so that everything that was started is reaped


def on_alarm(*_):
    raise OutOfTime("it took longer than it may")


def cpu_model():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "?")


def commit():
    result = subprocess.run(["git", "-C", harness.ROOT, "describe", "--always", "--dirty", "--abbrev=12"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    return result.stdout.strip() or "?"


def about(arguments):
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2 ** 30
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": "%d CPUs, %s, %.0f GiB, Linux %s" % (os.cpu_count(), cpu_model(), gib, platform.release()),
        "command": " ".join(["sudo ./scripts/bench.sh"] + arguments),
        "commit": commit(),
        "load average before": "%.2f" % os.getloadavg()[0],
    }


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under three minutes: shows that everything works, not what it costs")
    parser.add_argument("--json", metavar="FILE", default=os.path.join(harness.ROOT, "build", "bench.json"))
    parser.add_argument("--markdown", action="store_true", help="the table as it goes into docs/benchmarks.md")
    parser.add_argument("--from", metavar="FILE", dest="source", help="print the table of an earlier run's JSON file")
    parser.add_argument("--no-pin", action="store_true", help="don't bind server and load to a core each")
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.sections if name not in SECTIONS]
    if unknown:
        parser.error("no such section: %s; there are %s" % (" ".join(unknown), " ".join(SECTIONS)))
    return arguments


def prepare(sections):
    """Builds what the sections start, so that no time is measured with a compiler beside it."""
    if "worst" in sections:
        harness.build("benchwork")
    if {"scale", "attach", "pipeline"} & set(sections):
        harness.build("benchgoroutines")
    if "scale" in sections:
        harness.build("benchgoroutines", variant="default")
    if "prove" in sections:
        harness.build("benchheap")
    if "attach" in sections:
        large.build()


def run_section(name, seconds, arguments, results):
    """False when it failed; what it measured before stays."""
    begin = time.monotonic()
    say("%s: at most %d s" % (name, seconds))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        SECTIONS[name][0](measure.Context(results, arguments.quick, not arguments.no_pin, 0.9 * seconds, say))
        return True
    except Exception as error:  # the other sections are worth having
        traceback.print_exc()
        results.add(Row(name, "section did not end: %s" % error, "failed"))
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        say("%s: took %.0f s" % (name, time.monotonic() - begin))


def measured(arguments):
    sections = arguments.sections or list(SECTIONS)
    seconds = {name: SECTIONS[name][2 if arguments.quick else 1] for name in sections}
    say("bench: %s; at most %.1f minutes" % (", ".join("%s %d s" % item for item in seconds.items()), sum(seconds.values()) / 60))
    prepare(sections)
    results = Results(about(sys.argv[1:]))
    if os.getloadavg()[0] > 0.5:
        say("bench: warning: the machine is busy (load average %.1f); what is measured now says little" % os.getloadavg()[0])
    good = True
    for name in sections:
        good = run_section(name, seconds[name], arguments, results) and good
        results.save(arguments.json)
    say("bench: wrote %s" % arguments.json)
    return results, good


def main():
    arguments = parse()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, on_signal)
    signal.signal(signal.SIGALRM, on_alarm)
    results, good = (Results.load(arguments.source), True) if arguments.source else measured(arguments)
    print(results.markdown() if arguments.markdown else results.text(), end="")
    say("bench: %d targets missed" % results.missed())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
