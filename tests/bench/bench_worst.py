"""Programs that do little else than what the probes sit on: does a budget hold whatever the program does?"""
import subprocess

import harness
import measure
import results

MODES = (("allocs", 1000000, "1 M allocations/s"), ("pingpong", 1000000, "1 M channel ping-pongs/s"),
         ("spawns", 500000, "500 k goroutine spawns/s"))
PROBES = ("--probes", "births,parks,ends,mallocgc")  # every single allocation
ALLOWED = 1.25
ROUNDS = {1: 8, 5: 6, 20: 4}  # by budget: the smaller, the more it takes to tell it from noise
SETTLE_SECONDS, TRACED_SECONDS, UNTRACED_SECONDS = measure.SETTLE_SECONDS, 3, 2


class Work:
    def __init__(self, units, wall_ns, cpu_ns):
        self.cpu_per_unit, self.per_second, self.core_share = cpu_ns / units, units * 1e9 / wall_ns, cpu_ns / wall_ns


def _work(process, seconds):
    return Work(*measure.ask(process, "run %d" % (1000 * seconds), seconds + 30))


def _budget(context, process, label, budget, traced_seconds, untraced_seconds, most):
    by_cpu, of_core, by_rate, by_count, own, noise = [], [], [], [], [], []
    before = _work(process, untraced_seconds)
    for _ in context.rounds(most):
        with measure.tool(process.pid, "--max-overhead", "%d%%" % budget, *PROBES) as tool:
            _work(process, SETTLE_SECONDS)
            traced = _work(process, traced_seconds)
            tool.finish()
        after = _work(process, untraced_seconds)
        by_cpu.append(1 - (before.cpu_per_unit + after.cpu_per_unit) / 2 / traced.cpu_per_unit)
        of_core.append(by_cpu[-1] * traced.core_share)
        by_rate.append(1 - traced.per_second / ((before.per_second + after.per_second) / 2))
        by_count.append(tool.cost_by_count())
        own.append(tool.own_cpu_share())
        noise.append(1 - before.cpu_per_unit / after.cpu_per_unit)
        before = after
    name, limit = "%s, --max-overhead %d%%" % (label, budget), ALLOWED * budget / 100
    target = ("<= " + results.percent(limit), lambda x: x <= limit)
    context.add(results.sampled("worst", name + ": slowdown by CPU a unit", by_cpu, results.percent, *target))
    context.add(results.sampled("worst", name + ": extra CPU, of one core", of_core, results.percent, *target))
    context.add(results.sampled("worst", name + ": slowdown by units a second", by_rate, results.percent))
    context.add(results.sampled("worst", name + ": cost by count, of one core", by_count, results.percent, *target))
    context.add(results.sampled("worst", name + ": our own CPU, of one core", own, results.percent))
    return noise


def run(context):
    rounds = {5: 2} if context.quick else ROUNDS
    lengths = (1, 1) if context.quick else (TRACED_SECONDS, UNTRACED_SECONDS)
    executable, noise = harness.build("benchwork"), []
    for mode, rate, label in MODES:
        command = context.on_core(0, [executable, mode, str(rate)])
        with harness.started(command, stdin=subprocess.PIPE) as process:
            context.add(results.Row("worst", label + ": reached untraced", "%.2f M/s" % (_work(process, 1).per_second / 1e6)))
            for budget, most in rounds.items():
                noise += _budget(context, process, label, budget, *lengths, most)
    context.add(results.sampled("worst", "noise: untraced / untraced, slowdown by CPU a unit", noise, results.percent))
