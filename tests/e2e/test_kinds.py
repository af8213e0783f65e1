"""The kinds of leak beside goroutines and call sites: each is found by its kind and on its line, and its healthy twin,
which differs only in the fix (-tags fixed), is left alone."""
import unittest

import harness

CELLS = [("1.19", "default"), ("1.24", "pie-stripped")]  # scripts/scenarios.sh runs all of them


class Case:
    def __init__(self, target, kind, where="LEAK", line_needed=True, tolerance=0.15, cells=None):
        self.target, self.kind, self.where, self.line_needed = target, kind, where, line_needed
        self.tolerance, self.cells = tolerance, cells or CELLS


CASES = {
    "fd_leak": Case("leakfd", "fd-leak"),
    "resident": Case("leakmmap", "unexplained-resident", line_needed=False),  # no stack says who maps
    "resident_cgo": Case("leakcgo", "unexplained-resident", line_needed=False),
    "thread_bound": Case("leakthread", "thread-leak"),
    "thread_in_call": Case("leaksyscall", "thread-leak"),
    "ticker": Case("leakticker", "ticker-leak"),
    "after_func": Case("leakafter", "ticker-leak"),
    "defer_in_loop": Case("leakdefer", "deferred-in-loop"),
    "finalizer": Case("leakfinalizer", "finalizer-leak"),
    "stack_growth": Case("leakstack", "stack-growth"),
    "substring": Case("leaksubstring", "retained-substring"),
    "subslice": Case("leaksubslice", "retained-subslice"),
    "elements": Case("leakelements", "retained-elements"),
    "cleanup": Case("leakcleanup", "finalizer-leak", cells=[("1.27", "pie-stripped")]),
}


def of_kind(report, kind):
    return [finding for finding in report["findings"] if finding["kind"] == kind]


def look(case, version, variant, fixed, duration="10s"):
    with harness.target(case.target, version, variant, "fixed" if fixed else "") as process:
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
        if "rate" in place.values:
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
