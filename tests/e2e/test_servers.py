"""Debian's own stripped servers (Go 1.19, cgo), idle and under load: right names, all goroutines, no findings."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import unittest
import urllib.request

import harness


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def get(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def binary(name):
    return os.path.join(harness.SERVERS, "usr", "bin", name)


def caddy(directory):
    port, admin = free_ports(2)
    config = {"admin": {"listen": "127.0.0.1:%d" % admin}, "apps": {"http": {"servers": {"s": {
        "listen": ["127.0.0.1:%d" % port], "automatic_https": {"disable": True},
        "routes": [{"handle": [{"handler": "static_response", "body": "hello"}]}]}}}}}
    path = os.path.join(directory, "caddy.json")
    with open(path, "w") as file:
        json.dump(config, file)
    return [binary("caddy"), "run", "--config", path], "http://127.0.0.1:%d/" % port, "http://127.0.0.1:%d" % admin


def prometheus(directory):
    port, = free_ports(1)
    path = os.path.join(directory, "prometheus.yml")
    with open(path, "w") as file:
        file.write("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: self\n  static_configs:\n"
                   "  - targets: ['127.0.0.1:%d']\n" % port)
    url = "http://127.0.0.1:%d" % port
    return [binary("prometheus"), "--config.file=" + path, "--storage.tsdb.path=" + os.path.join(directory, "data"),
            "--web.listen-address=127.0.0.1:%d" % port, "--log.level=error"], url + "/api/v1/query?query=up", url


def etcd(directory):
    client, peer = free_ports(2)
    url, peer_url = "http://127.0.0.1:%d" % client, "http://127.0.0.1:%d" % peer
    return [binary("etcd"), "--data-dir", os.path.join(directory, "etcd"), "--listen-client-urls", url, "--enable-pprof",
            "--advertise-client-urls", url, "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url,
            "--initial-cluster", "default=" + peer_url, "--log-level", "error",
            # Its log in memory holds up to so many entries; by default 100,000, which a server of a few seconds is still
            # filling, at a steady rate, and that can't be told from a leak.
            "--snapshot-count", "2000"], url + "/health", url


@contextlib.contextmanager
def server(start):
    """A running server: its process, a URL to load, and the base of its debug pages."""
    with harness.temporary_directory() as directory:
        command, url, debug = start(directory)
        env = dict(os.environ, HOME=directory, XDG_DATA_HOME=directory, XDG_CONFIG_HOME=directory)
        with open(os.path.join(directory, "log"), "w") as log, \
                harness.started(command, ready=False, stderr=log, env=env, cwd=directory) as process:
            deadline = time.monotonic() + 30
            while True:
                try:
                    get(url)
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("%s does not answer" % command[0])
                    time.sleep(0.2)
            time.sleep(3)
            yield process, url, debug


@contextlib.contextmanager
def load(url):
    command = [shutil.which("wrk") or "wrk", "-t1", "-c50", "-d60s", url]
    with harness.started(command, ready=False, stderr=subprocess.DEVNULL):
        time.sleep(4)
        yield


class Servers(unittest.TestCase):
    alone = True

    def check_report(self, report):
        self.assertEqual(report["findings"], [], harness.describe(report["findings"]))
        self.assertEqual(report["target"]["go_version"], "go1.19.8")
        self.assertTrue(report["target"]["stripped"])
        self.assertTrue(report["target"]["cgo"])
        for group in report["goroutines"]["groups"]:
            for frame in group["stack"]:
                self.assertNotEqual(frame["function"], "?")
                self.assertGreater(frame["line"], 0, frame)

    def check_goroutines(self, before, report, after):
        """Those that stood at the same place before and after the run are in the report, with the same frames."""
        before, after = harness.parse_dump(before), harness.parse_dump(after)
        groups = {goid: group for group in report["goroutines"]["groups"] for goid in group["goids"]}
        self.assertAlmostEqual(report["goroutines"]["total"], len(after), delta=6)
        compared = 0
        for goid, own in before.items():
            later = after.get(goid)
            steady = later and own.frames == later.frames and own.state == later.state != "running"
            if steady and goid in groups and goid != 1:  # main's own creator is not in a dump
                seen, expected = harness.comparable(own, groups[goid])
                self.assertEqual(seen, expected)
                compared += 1
        self.assertGreaterEqual(compared, 5, "of %d goroutines" % len(before))

    def idle(self, start):
        with server(start) as (process, _, debug):
            dump = debug + "/debug/pprof/goroutine?debug=2"
            before = get(dump)
            report = harness.json_report("-p", process.pid, "--duration", "10s", "--all")
            after = get(dump)
        self.check_report(report)
        self.check_goroutines(before, report, after)
        return report

    def loaded(self, start):
        with server(start) as (process, url, _), load(url):
            report = harness.json_report("-p", process.pid, "--duration", "10s")
            get(url)  # it still answers
        self.check_report(report)

    def nothing_proved(self, start):
        """Under load, ten times: nothing of a healthy server is proved, and it serves on."""
        with server(start) as (process, url, _), load(url):
            for _ in range(10):
                report = harness.json_report("prove", "-p", process.pid, "--max-pause", "2s")
                self.assertIsNone(report["proof"]["off"])
                self.assertEqual(report["findings"], [], harness.describe(report["findings"]))
            self.assertTrue(get(url))

    def test_prove_caddy_loaded(self):
        self.nothing_proved(caddy)

    def test_prove_prometheus_loaded(self):
        self.nothing_proved(prometheus)

    def test_prove_etcd_loaded(self):
        self.nothing_proved(etcd)

    def test_caddy_idle(self):
        report = self.idle(caddy)
        # Not one collection, perhaps, but then every allocation was counted, and they were few.
        self.assertIn("heap-growth", report["summary"]["checked"], report["summary"]["not_checked"])

    def test_caddy_loaded(self):
        self.loaded(caddy)

    def test_prometheus_idle(self):
        self.idle(prometheus)

    def test_prometheus_loaded(self):
        self.loaded(prometheus)

    def test_etcd_idle(self):
        self.idle(etcd)

    def test_etcd_loaded(self):
        self.loaded(etcd)


if __name__ == "__main__":
    unittest.main()
