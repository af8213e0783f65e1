#!/usr/bin/env python3
"""Runs the end-to-end tests: run.py [-j N] [--list] [WORD...]: those whose name contains one of the words.

Tests run side by side (they mostly wait); those of a class with `alone = True` run by themselves at the end. So does,
once more, each that failed: rates of a target that did not get its CPU say nothing of the tool. Both outcomes are printed,
the second counts. The last line is `N passed, N failed`; exit 1 when one failed."""
import argparse
import concurrent.futures
import os
import sys
import threading
import time
import traceback
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


class Runner:
    def __init__(self):
        self.lock, self.passed, self.failed, self.again = threading.Lock(), 0, [], []

    def run(self, test, again=True):
        """`again`: it may fail, and then is to be run once more."""
        result, begin = unittest.TestResult(), time.monotonic()
        test.run(result)
        trouble = result.failures + result.errors + [(test, "skipped: " + reason) for _, reason in result.skipped]
        with self.lock:
            seconds = time.monotonic() - begin
            again = again and bool(trouble)
            print("%s %s (%.1f s)" % ("AGAIN" if again else "FAIL" if trouble else "ok  ", test.id(), seconds), flush=True)
            for _, text in trouble:
                print("     " + text.rstrip().replace("\n", "\n     "), flush=True)
            if again:
                self.again.append(test)
            elif trouble:
                self.failed.append(test.id())
            else:
                self.passed += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=3)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()

    loader = unittest.TestLoader()
    tests = list(flatten(loader.discover(os.path.dirname(os.path.abspath(__file__)), pattern="test_*.py")))
    tests = [test for test in tests if not arguments.words or any(word in test.id() for word in arguments.words)]
    if arguments.list:
        print("\n".join(test.id() for test in tests))
        return 0
    if not os.access(harness.TOOL, os.X_OK):
        print("no gotrace-leak at %s; build it, or set GOTRACE_LEAK" % harness.TOOL, file=sys.stderr)
        print("0 passed, %d failed" % len(tests))
        return 1

    runner = Runner()
    alone = [test for test in tests if getattr(test, "alone", False)]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for future in [pool.submit(runner.run, test) for test in tests if test not in alone]:
            try:
                future.result()
            except Exception:  # a test runner that fails must not look like a pass
                traceback.print_exc()
                runner.failed.append("the runner")
    for test in alone:
        runner.run(test)
    for test in runner.again:
        runner.run(test, again=False)
    for name in runner.failed:
        print("failed: " + name)
    print("%d passed, %d failed" % (runner.passed, len(runner.failed)))
    return 1 if runner.failed or not runner.passed else 0


if __name__ == "__main__":
    sys.exit(main())
