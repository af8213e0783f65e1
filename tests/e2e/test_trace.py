"""Traces: a live report equals the report of its trace; damaged, cut and foreign files; how the file is made."""
import json
import os
import pty
import signal
import stat
import subprocess
import threading
import time
import unittest

import harness

_cache = {}
_cache_lock = threading.Lock()


def recorded():
    """The bytes of one short, complete trace of leakchan; recorded once."""
    with _cache_lock:
        if "trace" not in _cache:
            with harness.temporary_directory() as directory, harness.target("leakchan") as process:
                path = os.path.join(directory, "t.gtl")
                result = harness.run("record", "-p", process.pid, "-o", path, "--duration", "5s")
                if result.returncode != 0:
                    raise AssertionError(result.stderr.decode())
                with open(path, "rb") as file:
                    _cache["trace"] = file.read()
        return _cache["trace"]


class WithDirectory(unittest.TestCase):
    def setUp(self):
        context = harness.temporary_directory()
        self.directory = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    def assert_clean_error(self, result, code=1):
        """One line on stderr, nothing from a sanitizer or a signal, this exit code."""
        error = result.stderr.decode()
        self.assertEqual(result.returncode, code, error)
        self.assertEqual(len(error.splitlines()), 1, error)
        self.assertTrue(error.startswith("gotrace-leak: "), error)
        return error


class ByteIdentity(WithDirectory):
    def check(self, name, tags=""):
        trace = self.path("t.gtl")
        with harness.target(name, tags=tags) as process:
            live = harness.run("-p", process.pid, "--duration", "6s", "--record", trace, "--width", "100")
        self.assertEqual(live.returncode, 0, live.stderr)
        report = harness.run("report", trace, "--width", "100")
        self.assertEqual(report.returncode, 0, report.stderr)
        self.assertEqual(live.stdout.decode(), report.stdout.decode())
        replay = harness.run("replay", trace, "--width", "100")
        self.assertEqual(replay.stdout, report.stdout)

    def test_goroutine_leak(self):
        self.check("leakchan")

    def test_heap_leak(self):
        self.check("leakmap")

    def test_heap_leak_without_profile(self):
        self.check("leakmap", "noprofile")

    def test_healthy(self):
        self.check("healthy")

    def test_json(self):
        trace = self.path("t.gtl")
        with harness.target("leakchan", "1.19") as process:
            live = harness.run("-p", process.pid, "--duration", "5s", "--record", trace, "-f", "json", "--stuck-after", "2s")
        report = harness.run("report", trace, "-f", "json")
        self.assertEqual(live.stdout.decode(), report.stdout.decode())

    def test_the_same_report_twice(self):
        trace = self.write("t.gtl", recorded())
        self.assertEqual(harness.run("report", trace).stdout, harness.run("report", trace).stdout)

    def test_every_format_of_a_trace(self):
        trace = self.write("t.gtl", recorded())
        text = harness.run("report", trace)
        self.assertIn(b"pid ", text.stdout.splitlines()[0])
        json.loads(harness.run("report", trace, "--format", "json").stdout)
        for line in harness.run("report", trace, "--format", "jsonl").stdout.splitlines():
            json.loads(line)

    def test_an_override_is_printed(self):
        trace = self.write("t.gtl", recorded())
        result = harness.run("report", trace, "--stuck-after", "1s")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("stuck-after", result.stdout.decode())


class Damage(WithDirectory):
    def test_cut_at_many_points(self):
        trace = recorded()
        reported = 0
        for i in range(24):
            size = len(trace) * (i + 1) // 25
            result = harness.run("report", self.write("cut.gtl", trace[:size]))
            error = self.assert_clean_error(result)
            self.assertIn("ends early", error)
            self.assertLessEqual(error.count("are complete"), 1, error)
            reported += result.stdout != b""
        self.assertGreater(reported, 6, "what was complete before the cut is to be reported")

    def test_a_cut_trace_is_not_called_complete(self):
        trace = recorded()
        result = harness.run("report", self.write("cut.gtl", trace[:len(trace) * 2 // 3]), "--format", "json")
        self.assertEqual(result.returncode, 1)
        self.assertFalse(json.loads(result.stdout)["window"]["complete"])

    def test_every_short_file(self):
        for size in range(0, 40):
            result = harness.run("report", self.write("short.gtl", recorded()[:size]))
            self.assertEqual(result.returncode, 1)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_flipped_bytes(self):
        trace = recorded()
        for i in range(24):
            offset = 16 + (len(trace) - 17) * i // 24
            damaged = trace[:offset] + bytes([trace[offset] ^ 0x55]) + trace[offset + 1:]
            result = harness.run("report", self.write("flipped.gtl", damaged))
            self.assertIn(result.returncode, (0, 1), result.stderr)
            self.assertNotEqual(result.stderr, b"", "damage at byte %d was not noticed" % offset)

    def test_wrong_magic(self):
        error = self.assert_clean_error(harness.run("report", self.write("not.gtl", b"\x7fELF" + b"\0" * 400)))
        self.assertIn("not.gtl", error)

    def test_newer_schema(self):
        trace = bytearray(recorded())
        # The version is the number after the magic; all bytes of the short header are tried, one must be it.
        newer = []
        for offset in range(0, 12):
            changed = bytearray(trace)
            changed[offset] = 0x7F
            result = harness.run("report", self.write("new.gtl", bytes(changed)))
            newer.append(result.returncode == 1 and b"newer" in result.stderr)
        self.assertTrue(any(newer), "no header byte makes the trace one of a newer version")

    def test_no_such_file(self):
        self.assertIn("missing.gtl", self.assert_clean_error(harness.run("report", self.path("missing.gtl"))))

    def test_a_directory(self):
        self.assert_clean_error(harness.run("report", self.directory))


class File(WithDirectory):
    def record(self, *arguments, **options):
        with harness.target("manygoroutines", arguments=("100",)) as process:
            return harness.run("record", "-p", process.pid, "--duration", "2s", *arguments, **options)

    def test_private_and_says_so(self):
        path = self.path("t.gtl")
        result = self.record("-o", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertIn(path, result.stderr.decode())  # "wrote FILE" is a message, not a result
        self.assertEqual(result.stdout, b"")

    def test_is_not_replaced_without_force(self):
        path = self.write("t.gtl", b"precious")
        result = self.record("-o", path)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("--force", result.stderr.decode())
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"precious")
        self.assertEqual(self.record("-o", path, "--force").returncode, 0)
        self.assertEqual(harness.run("report", path).returncode, 0)

    def test_is_not_written_through_a_link(self):
        victim = self.write("victim", b"precious")
        os.symlink(victim, self.path("t.gtl"))
        self.assertNotEqual(self.record("-o", self.path("t.gtl")).returncode, 0)
        self.record("-o", self.path("t.gtl"), "--force")
        with open(victim, "rb") as file:
            self.assertEqual(file.read(), b"precious")

    def test_belongs_to_the_user_of_sudo(self):
        path = self.path("t.gtl")
        self.record("-o", path, env={"SUDO_UID": "12345", "SUDO_GID": "23456"})
        self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (12345, 23456))

    def test_to_a_pipe_and_from_a_pipe(self):
        result = self.record("-o", "-")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = harness.run("report", "-", stdin=None, input=result.stdout)
        self.assertEqual(report.returncode, 0, report.stderr)
        self.assertIn(b"pid ", report.stdout)

    def test_not_to_a_terminal(self):
        leader, follower = pty.openpty()
        try:
            result = self.record("-o", "-", stdout=follower)
        finally:
            os.close(leader)
            os.close(follower)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("use -o FILE or a pipe", result.stderr.decode())

    def test_holds_no_arguments_and_no_environment(self):
        path = self.path("t.gtl")
        executable = harness.build("manygoroutines")
        with harness.started([executable, "100", "argument-secret-4711"], env={"TOKEN": "environment-secret-4711"}) as process:
            harness.run("record", "-p", process.pid, "--duration", "2s", "-o", path)
        for form in ("json", "text"):
            self.assertNotIn(b"secret-4711", harness.run("report", path, "--format", form).stdout)

    def test_disk_full(self):
        mount = self.path("small")
        os.mkdir(mount)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount], check=True)
        try:
            with harness.target("leakmap") as process:
                result = harness.run("record", "-p", process.pid, "-o", os.path.join(mount, "t.gtl"), "--duration", "10s")
                self.assertTrue(harness.alive(process.pid))
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn("no space left", result.stderr.decode().lower())
            with open(os.path.join(mount, "t.gtl"), "rb") as file:
                kept = file.read()
        finally:
            subprocess.run(["umount", mount], check=True)
        self.assertGreater(len(kept), 0)
        report = harness.run("report", self.write("kept.gtl", kept))
        self.assertEqual(len(report.stderr.splitlines()), 1, report.stderr)


class KilledRecorder(WithDirectory):
    def test_what_was_written_replays(self):
        path = self.path("t.gtl")
        with harness.target("leakchan") as process:
            with harness.running("record", "-p", process.pid, "-o", path) as recorder:
                time.sleep(5)
                recorder.send_signal(signal.SIGKILL)
                recorder.wait()
            self.assertTrue(harness.alive(process.pid))
        report = harness.run("report", path, "--format", "json")
        self.assertIn("ends early", self.assert_clean_error(report))
        window = json.loads(report.stdout)["window"]
        self.assertFalse(window["complete"])
        self.assertGreater(window["seconds"], 2.0)


if __name__ == "__main__":
    unittest.main()
