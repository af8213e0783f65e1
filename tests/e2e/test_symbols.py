"""Every goroutine that the tool reads from outside equals the program's own dump, for each Go version and build."""
import os
import unittest

import harness

class Variety(unittest.TestCase):
    maxDiff = None

    def check(self, version, variant):
        with harness.temporary_directory() as directory:
            path = os.path.join(directory, "dump")
            with harness.target("variety", version, variant, env={"DUMP": path}) as process:
                report = harness.json_report("-p", process.pid, "--duration", "2s", "--probes", "none", "--all")
            with open(path) as file:
                dump = harness.parse_dump(file.read())
        self.assertGreaterEqual(len(dump), 38)
        groups = {goid: group for group in report["goroutines"]["groups"] for goid in group["goids"]}
        for goid, own in dump.items():
            if goid == 1:
                continue  # main wrote the dump; it sleeps by now
            self.assertIn(goid, groups)
            seen, expected = harness.comparable(own, groups[goid])
            self.assertEqual(seen, expected)


def _test(version, variant):
    return lambda self: self.check(version, variant)


for _version in harness.VERSIONS:
    for _variant in harness.VARIANTS:
        setattr(Variety, "test_go%s_%s" % (_version.replace(".", "_"), _variant.replace("-", "_")), _test(_version, _variant))


if __name__ == "__main__":
    unittest.main()
