"""The kinds of leak beside goroutines and call sites: each is found by its kind and on its line, and its healthy twin,
which differs only in the fix (-tags fixed), is left alone."""
import unittest

import harness

CELLS = [("1.19", "default"), ("1.24", "pie-stripped")]  # scripts/scenarios.sh runs all of them


class Case:
    def __init__(self, what, target, kind, where="LEAK", line_needed=True, tolerance=0.15, cells=None, arguments=(),
                 absent=(), grows=True):
        self.what, self.target, self.kind = what, target, kind
        self.where, self.line_needed = where, line_needed
        self.tolerance, self.arguments = tolerance, arguments
        self.cells = CELLS if cells is None else cells
        self.grows = grows
        self.absent = absent  # Go versions in which it is no leak: nothing must be found there


CELLS_OF_CLEANUPS = [("1.27", "pie-stripped")]  # Go 1.25 has a queue of cleanups
WIDE = []  # not in the end-to-end tests: only in scripts/scenarios.sh

CASES = {
    "fd_leak": Case("files opened and never closed", "leakfd", "fd-leak"),
    # No stack says who maps.
    "resident": Case("memory mapped and never unmapped", "leakmmap", "unexplained-resident", line_needed=False),
    "resident_cgo": Case("memory that C code never frees", "leakcgo", "unexplained-resident", line_needed=False),
    "thread_bound": Case("goroutines bound to threads that never end", "leakthread", "thread-leak"),
    "thread_in_call": Case("system calls that never return", "leaksyscall", "thread-leak"),
    "ticker": Case("tickers never stopped", "leakticker", "ticker-leak"),
    "after_func": Case("`AfterFunc` that re-arms for ever", "leakafter", "ticker-leak"),
    "tick": Case("`time.Tick` for each request", "leaktick", "ticker-leak", cells=WIDE, absent=["1.24", "1.27"]),
    "defer_in_loop": Case("`defer` in an endless loop", "leakdefer", "deferred-in-loop"),
    "defer_files": Case("`defer` of files in an endless loop", "leakdeferfd", "deferred-in-loop", cells=WIDE),
    "defer_connections": Case("`defer` of database connections in an endless loop", "leakdeferdb", "deferred-in-loop",
                              arguments=["grow"], cells=WIDE),
    "defer_pool": Case("`defer` in a loop that has emptied its pool of connections, for which others wait", "leakdeferdb",
                       "deferred-in-loop", arguments=["wait"], grows=False, cells=[("1.24", "pie-stripped")]),
    "finalizer": Case("a finalizer that blocks", "leakfinalizer", "finalizer-leak"),
    "finalizer_cycle": Case("objects with finalizers in cycles", "leakcycle", "finalizer-leak", cells=WIDE),
    "cleanup": Case("a cleanup that blocks", "leakcleanup", "finalizer-leak", cells=CELLS_OF_CLEANUPS),
    "stack_growth": Case("a recursion that does not end", "leakstack", "stack-growth"),
    "by_stack": Case("the head of a list that a long-lived frame keeps", "leaklist", "retained-by-stack"),
    "substring": Case("short strings cut from long ones, by a map, a channel and structs", "leaksubstring",
                      "retained-substring"),
    "subslice": Case("the end of a large slice", "leaksubslice", "retained-subslice"),
    "elements": Case("a part of a slice of pointers", "leakelements", "retained-elements"),
}

for holder, what in {"variable": "a package variable", "map": "a map", "channel": "a channel's buffer",
                     "struct": "structs"}.items():
    CASES["substring_" + holder] = Case("a short string of a long one in " + what, "leakholder", "retained-substring",
                                        arguments=[holder], cells=WIDE, grows=holder != "variable")
CASES["subslice_buffer"] = Case("the start of a large buffer", "leakholder", "retained-subslice", "LEAK_BUFFER",
                                arguments=["buffer"], cells=WIDE)
for how, what in {"pop": "a queue popped by `q = q[1:]`", "cut": "elements behind the length of a slice",
                  "strings": "one of many strings of a slice"}.items():
    CASES["elements_" + how] = Case(what, "leakqueue", "retained-elements", "LEAK_" + how.upper(), arguments=[how],
                                    line_needed=how == "strings", cells=WIDE)  # the others don't become more
for way, what in {"send": "send that nobody receives", "receive": "receive from a channel that is never closed",
                  "nil": "receive from a nil channel", "select": "`select` without a ready case",
                  "mutex": "a Mutex never unlocked", "rwmutex": "an RWMutex never unlocked",
                  "waitgroup": "a WaitGroup that misses a Done", "cond": "a Cond that nobody signals",
                  "context": "a context never cancelled", "after": "a loop with `time.After`",
                  "body": "response bodies never closed", "command": "commands never waited for"}.items():
    in_library = way in ("body", "command")  # that starts the goroutines
    CASES["block_" + way] = Case(what, "leakblock", "goroutine-leak", "LEAK_" + way.upper(), arguments=[way],
                                 line_needed=not in_library, cells=WIDE)


def of_kind(report, kind):
    return [finding for finding in report["findings"] if finding["kind"] == kind]


def look(case, version, variant, fixed, duration="10s"):
    with harness.target(case.target, version, variant, "fixed" if fixed else "", case.arguments) as process:
        return harness.json_report("-p", process.pid, "--duration", duration)


class Kinds(unittest.TestCase):
    def leaking(self, name, version, variant):
        case = CASES[name]
        report = look(case, version, variant, False)
        place = harness.mark(case.target, case.where)
        found = of_kind(report, case.kind)
        self.assertEqual(len(found), 1, harness.describe(report["findings"]))
        finding = found[0]
        self.assertIn(finding["verdict"], ("leaking", "suspected"))
        self.assertTrue(finding["advice"])
        if case.line_needed:
            self.assertTrue(harness.at(finding["where"], place), finding["where"])
        if "rate" in place.values and case.grows:
            self.assertAlmostEqual(finding["growth"]["per_second"], place.rate, delta=case.tolerance * place.rate)
        for other in report["findings"]:  # nobody else is accused
            self.assertTrue(other is finding or other["kind"] == "growing-call-site",
                            harness.describe(report["findings"]))

    def healthy(self, name, version, variant):
        report = look(CASES[name], version, variant, True)
        self.assertEqual(report["findings"], [], harness.describe(report["findings"]))


def add(name, version, variant):
    label = "%s_go%s_%s" % (name, version.replace(".", "_"), variant.replace("-", "_"))
    setattr(Kinds, "test_%s" % label, lambda self: self.leaking(name, version, variant))
    setattr(Kinds, "test_%s_fixed" % label, lambda self: self.healthy(name, version, variant))


for case_name, case in CASES.items():
    for cell in case.cells:
        add(case_name, *cell)

if __name__ == "__main__":
    unittest.main()
