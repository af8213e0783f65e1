"""Goroutine leaks are found at their line and rate; healthy programs are left alone."""
import unittest

import harness

# One binary for each Go version, each way of building among them.
LEAK_BUILDS = [("1.15", "default"), ("1.19", "stripped"), ("1.21", "pie-stripped"), ("1.22", "default"), ("1.23", "stripped"),
               ("1.24", "pie-stripped"), ("1.25", "default"), ("1.26", "stripped"), ("1.27", "pie-stripped")]


class Leak(unittest.TestCase):
    def check(self, version, variant):
        leak, blocked = harness.mark("leakchan", "LEAK"), harness.mark("leakchan", "BLOCKED")
        with harness.target("leakchan", version, variant) as process:
            report = harness.json_report("-p", process.pid, "--duration", "10s")
        findings = report["findings"]
        self.assertEqual(len(findings), 1, harness.describe(findings))
        finding = findings[0]
        self.assertEqual(finding["kind"], "goroutine-leak")
        self.assertEqual(finding["verdict"], "leaking")
        self.assertEqual(finding["trend"], "growing")
        self.assertEqual(finding["wait_reason"], "chan send")
        self.assertTrue(harness.at(finding["where"], leak), finding["where"])
        self.assertTrue(harness.at(finding["blocked_at"], blocked), finding["blocked_at"])
        self.assertAlmostEqual(finding["growth"]["per_second"], leak.rate, delta=leak.rate * 0.10)
        self.assertLessEqual(finding["growth"]["low"], leak.rate)
        self.assertGreaterEqual(finding["growth"]["high"], leak.rate)
        self.assertGreaterEqual(report["goroutines"]["total"], 10000)
        self.assertEqual(report["summary"]["verdict"], "leak")
        self.assertTrue(report["target"]["go_version"].startswith("go" + version))
        self.assertEqual(report["target"]["stripped"], variant != "default")
        self.assertEqual(report["target"]["pie"], variant.startswith("pie"))


def _leak_test(version, variant):
    return lambda self: self.check(version, variant)


for _version, _variant in LEAK_BUILDS:
    setattr(Leak, "test_go%s_%s" % (_version.replace(".", "_"), _variant.replace("-", "_")), _leak_test(_version, _variant))


class Text(unittest.TestCase):
    def test_first_screen_names_the_leak(self):
        leak = harness.mark("leakchan", "LEAK")
        with harness.target("leakchan") as process:
            result = harness.run("-p", process.pid, "--duration", "10s")
        text = result.stdout.decode()
        self.assertEqual(result.returncode, 0, result.stderr)
        headline = text.splitlines()[0]
        self.assertIn("LEAK", headline)
        self.assertIn("pid %d" % process.pid, headline)
        first_screen = "\n".join(text.splitlines()[:24])
        self.assertIn("main.(*service).quote", first_screen)
        self.assertIn(str(leak), first_screen)
        self.assertIn("chan send", first_screen)


class Stuck(unittest.TestCase):
    def test_burst_before_attach_is_suspected_with_its_age(self):
        with harness.target("stuck") as process:
            report = harness.json_report("-p", process.pid, "--duration", "6s", "--stuck-after", "3s")
        findings = report["findings"]
        self.assertEqual(len(findings), 1, harness.describe(findings))
        finding = findings[0]
        self.assertEqual(finding["verdict"], "suspected")
        self.assertNotEqual(finding["trend"], "growing")
        self.assertEqual(finding["count"], 5000)
        self.assertTrue(harness.at(finding["where"], harness.mark("stuck", "LEAK")), finding["where"])
        self.assertTrue(harness.at(finding["blocked_at"], harness.mark("stuck", "BLOCKED")), finding["blocked_at"])
        self.assertEqual(report["summary"]["verdict"], "suspected")
        group = next(group for group in report["goroutines"]["groups"] if group["id"] in finding["group_ids"])
        self.assertGreaterEqual(group["parked_seconds"]["oldest_at_least"], 3)

    def test_age_in_the_text_is_a_lower_bound(self):
        with harness.target("stuck", "1.19") as process:
            text = harness.run("-p", process.pid, "--duration", "6s", "--stuck-after", "3s").stdout.decode()
        self.assertIn("SUSPECTED", text.splitlines()[0])
        self.assertIn("at least", text)


class Healthy(unittest.TestCase):
    def check(self, name, version="1.24", duration="10s"):
        with harness.target(name, version) as process:
            report = harness.json_report("-p", process.pid, "--duration", duration, "--stuck-after", "3s")
        self.assertEqual(report["findings"], [], harness.describe(report["findings"]))
        self.assertIn(report["summary"]["verdict"], ("none-seen", "insufficient-data"))
        if report["summary"]["verdict"] == "none-seen":
            self.assertEqual(report["summary"]["not_checked"], [])
        return report

    def test_pool_on_one_channel(self):
        self.assertGreaterEqual(self.check("pool")["goroutines"]["total"], 5000)

    def test_pool_on_own_channels(self):
        self.check("poolown")

    def test_pool_on_own_channels_go1_19(self):
        self.check("poolown", "1.19")

    def test_pool_on_own_channels_go1_27(self):
        self.check("poolown", "1.27")

    def test_steady_traffic(self):
        self.check("healthy")

    def test_steady_traffic_go1_19(self):
        self.check("healthy", "1.19")

    def test_one_goroutine_in_every_wait(self):
        self.check("variety", "1.27")

    def test_many_parked(self):
        report = self.check("manygoroutines")
        self.assertGreaterEqual(report["goroutines"]["total"], 1000)


if __name__ == "__main__":
    unittest.main()
