"""A map that grows is found at the allocating line, at its rate, with the runtime's heap profile on and off."""
import unittest

import harness


class GrowingMap(unittest.TestCase):
    def check(self, version, variant, tags, target="leakmap", innocent="request"):
        grows = harness.mark(target, "GROWS")
        with harness.target(target, version, variant, tags) as process:
            report = harness.json_report("-p", process.pid, "--duration", "10s")
        rate = report["target"]["memory_profile_rate"]
        self.assertEqual(rate, 0 if tags == "noprofile" else 512 * 1024)
        findings = report["findings"]
        found = [finding for finding in findings if harness.at(finding["where"], grows)]
        self.assertEqual(len(found), 1, harness.describe(findings))
        self.assertEqual(found[0]["kind"], "growing-call-site")
        self.assertEqual(found[0]["growth"]["unit"], "bytes")
        self.assertEqual(found[0]["trend"], "growing")
        self.assertIn(found[0]["verdict"], ("leaking", "suspected"))
        self.assertAlmostEqual(found[0]["growth"]["per_second"], grows.rate, delta=0.15 * grows.rate)
        # The map's own buckets may be named too; the garbage may not.
        for finding in findings:
            function = finding["where"]["function"] if finding["where"] else ""
            self.assertNotIn(innocent, function, harness.describe(findings))

    def test_go1_19_profile_on(self):
        self.check("1.19", "default", "")

    def test_go1_19_profile_off(self):
        self.check("1.19", "stripped", "noprofile")

    def test_go1_22_profile_on(self):
        self.check("1.22", "stripped", "")

    def test_go1_24_profile_on(self):
        self.check("1.24", "pie-stripped", "")

    def test_go1_24_profile_off(self):
        self.check("1.24", "stripped", "noprofile")

    def test_go1_27_profile_on(self):
        self.check("1.27", "stripped", "")

    def test_go1_27_profile_off(self):
        self.check("1.27", "pie-stripped", "noprofile")

    def test_large_objects_go1_19_profile_off(self):
        self.check("1.19", "stripped", "noprofile", "leaklarge", "upload")

    def test_large_objects_go1_24_profile_on(self):
        self.check("1.24", "stripped", "", "leaklarge", "upload")

    def test_large_objects_go1_27_profile_off(self):
        self.check("1.27", "pie-stripped", "noprofile", "leaklarge", "upload")

    def test_profile_off_and_probes_off_is_not_called_healthy(self):
        with harness.target("leakmap", tags="noprofile") as process:
            report = harness.json_report("-p", process.pid, "--duration", "5s", "--probes", "none")
        self.assertNotEqual(report["summary"]["verdict"], "none-seen")
        self.assertIn("call-site-growth", [entry["check"] for entry in report["summary"]["not_checked"]])


if __name__ == "__main__":
    unittest.main()
