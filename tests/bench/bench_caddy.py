"""caddy under wrk: untraced, in the default mode, with all probes, and with the naive rival, each between two untraced
runs."""
import contextlib

import measure
import results

ALL_PROBES = ("--max-overhead", "5%", "--probes", "births,parks,ends,allocs")
DEFAULT, ALL, NAIVE = "default mode", "--max-overhead 5%, all probes", "naive rival"
NAIVE_EVERY = 4  # rounds: what it costs shows without many of them


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
        self.extra = []  # CPU that a traced run used more for as many requests, of one core
        self.trap_ns, self.hits_per_request, self.cost_per_request = [], [], []
        self.seconds_per_request = []  # more than untraced
        self.core_share, self.own_cpu = [], []  # of one core; not of the rival

    def add(self, traced, before, after):
        self.throughput.append(traced.per_second / ((before.per_second + after.per_second) / 2))
        self.p99.append(traced.p99 / ((before.p99 + after.p99) / 2))
        self.cpu.append(traced.cpu_per_request / ((before.cpu_per_request + after.cpu_per_request) / 2))
        self.seconds_per_request.append(traced.cpu_per_request - (before.cpu_per_request + after.cpu_per_request) / 2)
        self.extra.append((1 - 1 / self.cpu[-1]) * traced.core_share)

    def count(self, tracer, requests, cpu_per_request):
        """What the tracer counted while so many requests were served that take so much CPU untraced."""
        self.hits_per_request.append(tracer.hits() / max(1, requests))
        self.cost_per_request.append(tracer.cost_seconds() / max(1, requests) / cpu_per_request)
        self.trap_ns.append(tracer.trap_ns() or 0)
        if isinstance(tracer, measure.Tool):
            self.core_share.append(tracer.cost_by_count())
            self.own_cpu.append(tracer.own_cpu_share())


def _one(context, process, url, variant, seconds):
    """Load while `variant` is attached, and what that counted over all of it, the settling included."""
    with _attached(variant, process.pid) as tracer:
        settling = measure.load(context, process.pid, url, measure.SETTLE_SECONDS)
        traced = measure.load(context, process.pid, url, seconds)
        tracer.finish()
    return traced, tracer, settling.requests + traced.requests


def _rows(context, name, variant):
    def add(what, values, form, target="", met=None):
        context.add(results.sampled("caddy", "%s: %s" % (name, what), values, form, target, met))

    throughput = {DEFAULT: (">= 0.99, honoured from 0.98", lambda x: x >= 0.98),
                  ALL: (">= 0.9375 (1.25 x 5 %)", lambda x: x >= 0.9375)}
    budget = {DEFAULT: ("<= 1.25 %", lambda x: x <= 0.0125), ALL: ("<= 6.25 %", lambda x: x <= 0.0625)}
    add("throughput, traced / untraced", variant.throughput, results.ratio, *throughput.get(name, ()))
    add("p99 latency, traced / untraced", variant.p99, results.ratio,
        *(("<= 1.1", lambda x: x <= 1.1) if name == DEFAULT else ()))
    add("server's CPU a request, traced / untraced", variant.cpu, results.ratio)
    add("server's extra CPU, of one core", variant.extra, results.percent)
    add("probe hits a request", variant.hits_per_request, lambda x: "%.2f" % x)
    add("calibrated cost of a hit", variant.trap_ns, lambda x: "%.0f ns" % x)
    if name != DEFAULT:  # it has too few hits to tell
        per_hit = [extra / hits for extra, hits in zip(variant.seconds_per_request, variant.hits_per_request) if hits]
        add("server's extra CPU a hit", per_hit or [0.0], lambda x: "%.0f ns" % (1e9 * x))
    add("cost by count, of an untraced request's CPU", variant.cost_per_request, results.percent)
    if variant.own_cpu:
        add("cost by count, of one core", variant.core_share, results.percent, *budget[name])
        add("our own CPU, of one core", variant.own_cpu, results.percent)


def run(context):
    seconds, most = (1, 3) if context.quick else (3, 20)
    variants, noise = {name: Variant() for name in (DEFAULT, ALL, NAIVE)}, []
    with measure.caddy(context) as (process, url, _):
        measure.load(context, process.pid, url, 2)  # warm
        before = measure.load(context, process.pid, url, seconds)
        untraced = [before]
        for number in context.rounds(most):
            for name in (DEFAULT, ALL, NAIVE) if number % NAIVE_EVERY == 0 else (DEFAULT, ALL):
                traced, tracer, requests = _one(context, process, url, name, seconds)
                after = measure.load(context, process.pid, url, seconds)
                variants[name].add(traced, before, after)
                variants[name].count(tracer, requests, before.cpu_per_request)
                noise.append((before, after))
                untraced.append(after)
                before = after
    context.add(results.sampled("caddy", "untraced: requests a second", [one.per_second for one in untraced], lambda x: "%.0f" % x))
    for what, value in (("throughput", lambda one: one.per_second), ("p99 latency", lambda one: one.p99),
                        ("server's CPU a request", lambda one: one.cpu_per_request)):
        context.add(results.sampled("caddy", "noise: untraced / the untraced run before, " + what,
                                    [value(after) / value(before) for before, after in noise], results.ratio))
    for name, variant in variants.items():
        _rows(context, name, variant)
