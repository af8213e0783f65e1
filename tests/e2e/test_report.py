"""The JSON report keeps its schema; the text is fit for a terminal; explain, doctor, --fail-on and the live screen."""
import json
import os
import pty
import select
import shutil
import time
import unittest

import jsonschema

import harness
from test_trace import WithDirectory, recorded


def keys_in_order(value):
    """The nesting of keys, in order; of a list the first element stands for all."""
    if isinstance(value, dict):
        return [(key, keys_in_order(inner)) for key, inner in value.items()]
    return keys_in_order(value[0]) if isinstance(value, list) and value else None


class Json(WithDirectory):
    def check(self, report):
        jsonschema.validate(report, harness.schema())
        self.assertEqual(report["schema"], "gotrace-leak/report/1")
        parts = report["memory"]["rss_parts"]
        if parts is not None:
            self.assertEqual(sum(parts.values()), report["memory"]["rss_bytes"])
        if report["summary"]["verdict"] == "none-seen":
            self.assertEqual(report["summary"]["not_checked"], [])
        sites = {site["id"] for site in report["goroutines"]["creation_sites"]}
        for group in report["goroutines"]["groups"]:
            self.assertLessEqual(len(group["goids"]), 20)
            if group["creation_site_id"] is not None:
                self.assertIn(group["creation_site_id"], sites)
        self.assertEqual(sum(report["goroutines"]["by_status"].values()), report["goroutines"]["total"])
        return report

    def of_target(self, name, *arguments, duration="5s", **options):
        with harness.target(name, **options) as process:
            return self.check(harness.json_report("-p", process.pid, "--duration", duration, *arguments))

    def test_of_a_goroutine_leak(self):
        self.of_target("leakchan")

    def test_of_a_heap_leak(self):
        self.of_target("leakmap", version="1.27")

    def test_of_healthy_go1_15(self):
        self.of_target("healthy", version="1.15")

    def test_of_a_stuck_burst(self):
        self.of_target("stuck", "--stuck-after", "2s")

    def test_without_probes(self):
        report = self.of_target("variety", "--probes", "none")
        self.assertNotIn("on", [probe["state"] for probe in report["sources"]["probes"]])

    def test_no_overhead_is_no_probes(self):
        report = self.of_target("variety", "--max-overhead", "0")
        self.assertNotIn("on", [probe["state"] for probe in report["sources"]["probes"]])

    def test_of_a_cut_trace(self):
        path = self.path("cut.gtl")
        with open(path, "wb") as file:
            file.write(recorded()[:-40])
        self.check(json.loads(harness.run("report", path, "--format", "json").stdout))

    def test_key_order_is_fixed(self):
        first = self.of_target("leakchan", version="1.19")
        second = self.of_target("pool", version="1.27")
        self.assertEqual(list(first), list(second))
        for key in ("summary", "target", "window", "memory", "overhead"):
            self.assertEqual(list(first[key]), list(second[key]))
        self.assertEqual(keys_in_order(first["goroutines"]["groups"]), keys_in_order(second["goroutines"]["groups"]))

    def test_ids_outlive_a_run_and_a_rebuild(self):
        ids = []
        for version, variant in (("1.24", "stripped"), ("1.24", "pie-stripped")):
            findings = self.of_target("leakchan", duration="10s", version=version, variant=variant)["findings"]
            self.assertEqual(len(findings), 1, harness.describe(findings))
            ids.append((findings[0]["id"], findings[0]["exact_id"]))
        self.assertEqual(ids[0][0], ids[1][0])
        self.assertNotEqual(ids[0][1], ids[1][1])

    def test_written_to_a_file(self):
        path = self.path("report.json")
        with harness.target("manygoroutines") as process:
            result = harness.run("-p", process.pid, "--duration", "1s", "-f", "json", "-o", path)
        self.assertEqual((result.returncode, result.stdout), (0, b""), result.stderr)
        with open(path) as file:
            self.check(json.load(file))


class Text(WithDirectory):
    def text(self, *arguments, **options):
        path = self.path("t.gtl")
        with open(path, "wb") as file:
            file.write(recorded())
        result = harness.run("report", path, *arguments, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_fits_80_columns(self):
        for line in self.text().decode().splitlines():
            self.assertLessEqual(len(line), 80, line)

    def test_has_no_control_characters(self):
        self.assertNotIn(b"\x1b", self.text())
        self.assertNotIn(b"\r", self.text())

    def test_is_ascii_without_utf8(self):
        self.text(env={"LC_ALL": "C"}).decode("ascii")

    def test_names_of_the_target_are_escaped(self):
        path = self.path("evil\x1b[31m\nname")
        shutil.copy(harness.build("manygoroutines"), path)
        with harness.started([path, "10"]) as process:
            result = harness.run("-p", process.pid, "--duration", "1s")
            listed = json.loads(harness.run("-p", process.pid, "--duration", "1s", "-f", "json").stdout)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn(b"\x1b", result.stdout)
        self.assertNotIn(b"\nname", result.stdout)
        self.assertEqual(listed["target"]["exe"], path)

    def test_next_step_and_how_sure(self):
        text = self.text().decode()
        for section in ("MEMORY", "HOW SURE", "TARGET", "next"):
            self.assertIn(section, text)


class Explain(WithDirectory):
    def test_one_finding_in_full(self):
        path = self.path("t.gtl")
        with open(path, "wb") as file:
            file.write(recorded())
        finding = json.loads(harness.run("report", path, "-f", "json").stdout)["findings"][0]
        result = harness.run("explain", finding["id"], path)
        self.assertEqual(result.returncode, 0, result.stderr)
        text = result.stdout.decode()
        self.assertIn("main.(*service).quote", text)
        self.assertIn(str(harness.mark("leakchan", "LEAK")), text)
        unknown = harness.run("explain", "gl-00000000", path)
        self.assertNotEqual(unknown.returncode, 0)
        self.assertIn(finding["id"], unknown.stderr.decode())


class Doctor(unittest.TestCase):
    def test_host(self):
        result = harness.run("doctor")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(os.uname().release.split("-")[0], result.stdout.decode())

    def test_target(self):
        with harness.target("leakchan", "1.27", "pie-stripped") as process:
            result = harness.run("doctor", "-p", process.pid)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("go1.27", result.stdout.decode())


class FailOn(unittest.TestCase):
    def check(self, name, code, *arguments, **options):
        with harness.target(name, **options) as process:
            result = harness.run("-p", process.pid, "--duration", "10s", *arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertNotEqual(result.stdout, b"")

    def test_met(self):
        self.check("leakchan", 3, "--fail-on", "leaking")

    def test_worse_is_met_too(self):
        self.check("leakchan", 3, "--fail-on", "suspected")

    def test_weaker_is_not_met(self):
        # A burst is suspected at most; whether a check was left out decides between 0 and 4.
        with harness.target("stuck") as process:
            result = harness.run("-p", process.pid, "--duration", "6s", "--stuck-after", "2s", "--fail-on", "leaking", "-f", "json")
        report = json.loads(result.stdout)
        self.assertEqual(result.returncode, 4 if report["summary"]["not_checked"] else 0, result.stderr)

    def test_could_not_be_judged(self):
        self.check("leakmap", 4, "--fail-on", "any", "--probes", "none", tags="noprofile")


class Terminal(unittest.TestCase):
    def run_on_terminal(self, arguments, keys=b"", after=0.0):
        """What a terminal of 100 x 30 receives until the tool ends, and its exit code."""
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update(harness.tool_environment(TERM="xterm"))
            os.execv(harness.TOOL, [harness.TOOL, *arguments])
        received, begin, sent = b"", time.monotonic(), not keys
        while time.monotonic() - begin < 40:
            if not sent and time.monotonic() - begin > after:
                os.write(fd, keys)
                sent = True
            ready, _, _ = select.select([fd], [], [], 0.1)
            if not ready:
                continue
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            received += data
        os.close(fd)
        return received, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_repaints_and_ends_with_the_report(self):
        with harness.target("leakchan") as process:
            received, code = self.run_on_terminal(["-p", str(process.pid), "--duration", "6s"])
        self.assertEqual(code, 0)
        self.assertIn(b"\x1b[", received)
        self.assertIn(b"HOW SURE", received[-8000:])

    def test_q_ends_it(self):
        with harness.target("leakchan") as process:
            begin = time.monotonic()
            received, code = self.run_on_terminal(["-p", str(process.pid)], b"q", after=4)
            self.assertLess(time.monotonic() - begin, 15)
        self.assertEqual(code, 0)
        self.assertIn(b"HOW SURE", received)


if __name__ == "__main__":
    unittest.main()
