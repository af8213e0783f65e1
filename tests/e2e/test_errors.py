"""Bad usage, bad targets, missing rights: one clear line on stderr, nothing on stdout, the exit code of the contract."""
import contextlib
import os
import shutil
import struct
import subprocess
import time
import unittest

import harness

USAGE, NO_TARGET, NOT_PERMITTED = 2, 5, 6


class Checked(unittest.TestCase):
    def assert_error(self, result, code, *words):
        error = result.stderr.decode()
        self.assertEqual(result.returncode, code, error)
        self.assertEqual(result.stdout, b"")
        for word in words:
            self.assertIn(word, error)
        return error


class Usage(Checked):
    def check(self, *arguments, words=()):
        return self.assert_error(harness.run(*arguments, timeout=10), USAGE, *words)

    def test_nothing_to_look_at(self):
        self.check()

    def test_unknown_option(self):
        self.check("-p", "1", "--no-such-option")

    def test_bare_number_as_duration(self):
        self.check("-p", "1", "--duration", "10", words=["10s"])

    def test_zero_duration(self):
        self.check("-p", "1", "--duration", "0")

    def test_bare_number_as_overhead(self):
        self.check("-p", "1", "--max-overhead", "1", words=["1%"])

    def test_unknown_format(self):
        self.check("-p", "1", "--format", "xml", words=["json"])

    def test_unknown_probe(self):
        self.check("-p", "1", "--probes", "everything")

    def test_unknown_level(self):
        self.check("-p", "1", "--fail-on", "sometimes")

    def test_record_without_a_file(self):
        self.check("record", "-p", "1")

    def test_report_without_a_file(self):
        self.check("report")

    def test_help_and_version(self):
        for option in ("--help", "--version"):
            result = harness.run(option)
            self.assertEqual(result.returncode, 0)
            self.assertNotEqual(result.stdout, b"")
            self.assertEqual(result.stderr, b"")
        self.assertIn(b"--max-overhead", harness.run("--help").stdout)

    def test_names_of_runtime_functions_are_probe_names(self):
        with harness.target("manygoroutines", arguments=("10",)) as process:
            result = harness.run("-p", process.pid, "--duration", "1s", "--probes", "newproc,goexit,gopark,mallocgc")
            self.assertEqual(result.returncode, 0, result.stderr)
            result = harness.run("-p", process.pid, "--duration", "1s", "--parked-threshold", "3m")
            self.assertEqual(result.returncode, 0, result.stderr)


class Target(Checked):
    def check(self, pid, *words, code=NO_TARGET):
        error = self.assert_error(harness.run("-p", pid, "--duration", "2s", timeout=20), code, str(pid), *words)
        self.assertEqual(len(error.splitlines()), 1, error)
        return error

    def test_no_such_process(self):
        with open("/proc/sys/kernel/pid_max") as file:
            self.check(int(file.read()) - 1, "no such process")

    def test_not_go(self):
        process = subprocess.Popen(["sleep", "60"])
        try:
            self.check(process.pid, "sleep", "not a Go program")
        finally:
            process.kill()
            process.wait()

    def test_zombie(self):
        process = subprocess.Popen(["true"])
        try:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            self.check(process.pid, "zombie")
        finally:
            process.wait()

    def test_kernel_thread(self):
        with open("/proc/2/comm") as file:
            self.assertEqual(file.read().strip(), "kthreadd", "this test needs the host's own pid namespace")
        self.check(2, "kernel thread")

    def test_itself(self):
        result = subprocess.run(["sh", "-c", 'exec "$0" -p $$ --duration 1s', harness.TOOL], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=20)
        self.assertIn("itself", self.assert_error(result, NO_TARGET))

    def test_not_permitted(self):
        with harness.temporary_directory() as directory, harness.target("manygoroutines", arguments=("10",)) as process:
            os.chmod(directory, 0o755)
            tool = shutil.copy(harness.TOOL, directory)
            result = subprocess.run([tool, "-p", str(process.pid), "--duration", "1s"], user=65534, group=65534,
                                    extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        self.assert_error(result, NOT_PERMITTED, "CAP_SYS_PTRACE", "sudo")

    def test_without_bpf_the_rest_is_read(self):
        with harness.temporary_directory() as directory, harness.target("manygoroutines", arguments=("10",)) as process:
            os.chmod(directory, 0o755)
            tool = shutil.copy(harness.TOOL, directory)
            result = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps",
                                     "+sys_ptrace", "--ambient-caps", "+sys_ptrace", "--bounding-set", "-all,+sys_ptrace",
                                     tool, "-p", str(process.pid), "--duration", "2s"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("probes off", result.stderr.decode())
        self.assertIn("CAP_BPF", result.stderr.decode())


class Names(Checked):
    """--name takes the exact name of a Go program's executable; several are listed."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.directory = self.stack.enter_context(harness.temporary_directory())
        self.name = "e2e-%d" % time.monotonic_ns()
        self.path = os.path.join(self.directory, self.name)
        shutil.copy(harness.build("manygoroutines"), self.path)

    def start(self, *arguments):
        return self.stack.enter_context(harness.started([self.path, "10", *arguments]))

    def test_the_only_one(self):
        process = self.start()
        for option in ("--name", "-p"):
            report = harness.json_report(option, self.name, "--duration", "1s")
            self.assertEqual(report["target"]["pid"], process.pid)

    def test_several_are_listed_without_their_arguments(self):
        pids = [self.start("argument-secret-4711").pid for _ in range(2)]
        result = harness.run("--name", self.name, "--duration", "1s")
        self.assertEqual(result.returncode, NO_TARGET)
        text = (result.stdout + result.stderr).decode()
        for pid in pids:
            self.assertIn(str(pid), text)
        self.assertNotIn("secret-4711", text)
        shown = harness.run("--name", self.name, "--duration", "1s", "--show-args")
        self.assertIn("secret-4711", (shown.stdout + shown.stderr).decode())

    def test_others_of_that_name_do_not_count(self):
        process = self.start()
        other = os.path.join(self.directory, "other")
        os.mkdir(other)
        shutil.copy(shutil.which("sleep"), os.path.join(other, self.name))
        self.stack.enter_context(harness.started([os.path.join(other, self.name), "60"], ready=False))
        report = harness.json_report("--name", self.name, "--duration", "1s")
        self.assertEqual(report["target"]["pid"], process.pid)

    def test_a_part_of_the_name_is_no_match(self):
        self.start()
        self.assert_error(harness.run("--name", self.name[:-3]), NO_TARGET, self.name[:-3])

    def test_executable_deleted(self):
        process = self.start()
        os.unlink(self.path)
        report = harness.json_report("-p", process.pid, "--duration", "1s")
        self.assertGreaterEqual(report["goroutines"]["total"], 10)

    def test_executable_replaced(self):
        process = self.start()
        os.unlink(self.path)
        shutil.copy(shutil.which("sleep"), self.path)
        report = harness.json_report("-p", process.pid, "--duration", "1s")
        self.assertGreaterEqual(report["goroutines"]["total"], 10)

    def test_another_mount_namespace(self):
        hidden = os.path.join(self.directory, "hidden")
        os.mkdir(hidden)
        script = 'mount -t tmpfs tmpfs "$1" && cp "$0" "$1/inside" && exec "$1/inside" 10'
        process = self.stack.enter_context(harness.started(["unshare", "-m", "sh", "-c", script, self.path, hidden]))
        report = harness.json_report("-p", process.pid, "--duration", "3s")
        self.assertGreaterEqual(report["goroutines"]["total"], 10)
        self.assertTrue(all(probe["state"] != "failed" for probe in report["sources"]["probes"]), report["sources"])


PAUSE_FOR_EVER = bytes.fromhex("b822000000" "0f05" "ebf7")  # mov $34 (pause), %eax; syscall; jmp back


def file_offset(image, address):
    """Where the file holds this address, by its program headers."""
    offset, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for i in range(count):
        kind, _, file, virtual, _, length = struct.unpack_from("<IIQQQQ", image, offset + i * size)
        if kind == 1 and virtual <= address < virtual + length:
            return file + address - virtual
    raise ValueError("no segment holds 0x%x" % address)


class DamagedBinary(Checked):
    """A Go binary whose tables are broken. It only pauses: nothing of Go ever runs in it."""

    def setUp(self):
        with open(harness.build("variety", "1.24", "stripped"), "rb") as file:
            self.image = bytearray(file.read())
        entry = file_offset(self.image, struct.unpack_from("<Q", self.image, 24)[0])
        self.image[entry:entry + len(PAUSE_FOR_EVER)] = PAUSE_FOR_EVER
        # Go 1.20+ magic, two zeros, minimum instruction size 1, pointer size 8 (debug/gosym/pclntab.go).
        self.table = self.image.index(bytes.fromhex("f1ffffff00000108"))

    def check(self):
        with harness.temporary_directory() as directory:
            path = os.path.join(directory, "damaged")
            with open(path, "wb") as file:
                file.write(self.image)
            os.chmod(path, 0o755)
            with harness.started([path], ready=False) as process:
                result = harness.run("-p", process.pid, "--duration", "2s", timeout=30)
                self.assertTrue(harness.alive(process.pid))
        error = result.stderr.decode()
        self.assertIn(result.returncode, (1, NO_TARGET), error)
        self.assertEqual(len(error.splitlines()), 1, error)
        self.assertTrue(error.startswith("gotrace-leak: "), error)

    def test_no_magic(self):
        self.image[self.table:self.table + 8] = bytes(8)
        self.check()

    def test_number_of_functions(self):
        self.image[self.table + 8:self.table + 16] = b"\xff" * 7 + b"\x1f"
        self.check()

    def test_offsets(self):
        self.image[self.table + 32:self.table + 72] = b"\xf0" * 40
        self.check()

    def test_noise(self):
        for i in range(72, 400000):
            self.image[self.table + i] = (i * 2654435761 >> 7) & 0xFF
        self.check()

    def test_build_info(self):
        info = self.image.index(b"\xff Go buildinf:")
        self.image[info + 32:info + 42] = b"\xff" * 10
        self.check()


if __name__ == "__main__":
    unittest.main()
