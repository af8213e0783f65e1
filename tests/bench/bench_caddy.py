"""caddy under wrk: untraced, in the default mode, with all probes, and with the naive rival; rounds of all four."""
import collections
import contextlib

import measure
import results

ALL_PROBES = ("--max-overhead", "5%", "--probes", "births,parks,ends,allocs")
DEFAULT, ALL, NAIVE = "default mode", "--max-overhead 5%, all probes", "naive rival"


@contextlib.contextmanager
def _attached(variant, pid):
    if variant == NAIVE:
        with measure.naive(pid) as tracer:
            yield tracer
    else:
        with measure.tool(pid, *(ALL_PROBES if variant == ALL else ())) as tracer:
            yield tracer


class Variant:
    def __init__(self):
        self.throughput, self.p99, self.cpu = [], [], []  # traced / untraced
        self.hits_per_request, self.by_count, self.own_cpu, self.lost = [], [], [], []

    def add(self, traced, before, after):
        self.throughput.append(traced.per_second / ((before.per_second + after.per_second) / 2))
        self.p99.append(traced.p99 / ((before.p99 + after.p99) / 2))
        self.cpu.append(traced.cpu_per_request / ((before.cpu_per_request + after.cpu_per_request) / 2))

    def count(self, tracer, requests, cpu_per_request):
        hits = tracer.hits() / max(1, requests)
        self.hits_per_request.append(hits)
        if isinstance(tracer, measure.Naive):
            run_ns = tracer.report["run_ns"] / max(1, tracer.hits())
            self.by_count.append(hits * (tracer.report["trap_ns"] + run_ns) * 1e-9 / cpu_per_request)
            return
        self.by_count.append(tracer.cost_by_count())
        self.own_cpu.append(tracer.own_cpu_share())
        self.lost.append(tracer.lost())


def _one(context, process, url, variant, seconds):
    """Load while `variant` is attached, and what that counted over all of it, the settling included."""
    with _attached(variant, process.pid) as tracer:
        settling = measure.load(context, process.pid, url, measure.SETTLE_SECONDS)
        traced = measure.load(context, process.pid, url, seconds)
        tracer.finish()
    return traced, tracer, settling.requests + traced.requests


def _rows(context, name, variant):
    honoured = {DEFAULT: (">= 0.99, honoured from 0.98", lambda x: x >= 0.98),
                ALL: (">= 0.9375 (1.25 x 5 %)", lambda x: x >= 1 - 1.25 * 0.05), NAIVE: ("", None)}[name]
    section = "caddy"
    context.add(results.sampled(section, name + ": throughput, traced / untraced", variant.throughput, results.ratio, *honoured))
    p99 = ("<= 1.1", lambda x: x <= 1.1) if name == DEFAULT else ("", None)
    context.add(results.sampled(section, name + ": p99 latency, traced / untraced", variant.p99, results.ratio, *p99))
    context.add(results.sampled(section, name + ": server's CPU a request, traced / untraced", variant.cpu, results.ratio))
    context.add(results.sampled(section, name + ": probe hits a request", variant.hits_per_request, lambda x: "%.2f" % x))
    budget = {DEFAULT: ("<= 1.25 %", lambda x: x <= 0.0125), ALL: ("<= 6.25 %", lambda x: x <= 0.0625), NAIVE: ("", None)}[name]
    context.add(results.sampled(section, name + ": cost by count, of one core", variant.by_count, results.percent, *budget))
    if variant.own_cpu:
        context.add(results.sampled(section, name + ": our own CPU, of one core", variant.own_cpu, results.percent))


def run(context):
    seconds, most = (1, 3) if context.quick else (3, 20)
    variants, noise, rates, again = collections.OrderedDict(), [], [], []
    for name in (DEFAULT, ALL, NAIVE):
        variants[name] = Variant()
    with measure.caddy(context) as (process, url, _):
        measure.load(context, process.pid, url, 2)  # warm
        before = measure.load(context, process.pid, url, seconds)
        for number in context.rounds(most):
            names = list(variants)
            names = names[number % 3:] + names[:number % 3]  # none is always first
            seen = [(name, _one(context, process, url, name, seconds)) for name in names]
            after = measure.load(context, process.pid, url, seconds)
            for name, (traced, tracer, requests) in seen:
                variants[name].add(traced, before, after)
                variants[name].count(tracer, requests, before.cpu_per_request)
            noise.append(after.per_second / before.per_second)
            again.append(after.p99 / before.p99)
            rates.append(after.per_second)
            before = after
    context.add(results.sampled("caddy", "untraced: requests a second", rates, lambda x: "%.0f" % x))
    context.add(results.sampled("caddy", "noise: untraced / untraced, throughput", noise, results.ratio))
    context.add(results.sampled("caddy", "noise: untraced / untraced, p99", again, results.ratio))
    for name, variant in variants.items():
        _rows(context, name, variant)
