# SPDX-License-Identifier: BSD-2-Clause
"""What Prometheus reads: names and labels by golden text, promtool's opinion, both ways out."""
import os
import re
import socket
import subprocess
import unittest

from bed import NetCase, netns_cookie, sh, wait_until


def promtool(text):
    return subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)


def values(text, name):
    """label text without the namespace's -> value"""
    return {"{" + labels + "}" if labels else "": float(value) for labels, value in
            re.findall(rf'^{name}\{{netns="\d+",?(.*)\}} (\S+)$', text, re.MULTILINE)}


def series(text):
    """All of a text, each with its labels."""
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


class Metrics(NetCase):
    def text(self):
        return self.expect(0, "metrics").stdout

    def test_names(self):
        self.attach()
        text = re.sub(r"^(hitless_frames_\w+|hitless_path_frames_total)(\{.*\}) \d+$", r"\1\2 N", self.text(),
                      flags=re.MULTILINE)
        text = re.sub(r'version="[\d.]+"', 'version="V"', text)
        self.golden("metrics.txt", text.replace(f'netns="{netns_cookie()}"', 'netns="C"'))

    def test_two_namespaces_with_the_same_names_share_no_series(self):
        """Prometheus would take one pair for the other."""
        other = f"{self.netns}-b"
        sh(f"ip netns add {other}")
        self.addCleanup(sh, f"ip netns del {other}")
        sh(f"ip -n {other} link add sby type veth peer name far && ip -n {other} link set sby up")
        self.attach()
        self.expect(0, "-n", other, "attach", "sby")
        self.addCleanup(self.hitless, "-n", other, "detach", "--all")
        here, there = series(self.text()), series(self.expect(0, "-n", other, "metrics").stdout)
        self.assertTrue(any("pair=" in one for one in there), there)
        self.assertFalse(here & there)

    def test_promtool_has_nothing_to_say(self):
        self.attach()
        done = promtool(self.text())
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_values(self):
        self.assertNotIn("pair=", self.text())
        self.attach()
        self.expect(0, "switch", "sby", "standby")
        text = self.text()
        self.assertEqual(values(text, "hitless_path_active"),
                         {'{pair="sby",path="primary"}': 0, '{pair="sby",path="standby"}': 1})
        self.assertEqual({labels for labels, on in values(text, "hitless_veto").items() if on},
                         {'{pair="sby",reason="operator"}'})
        self.assertEqual(values(text, "hitless_flips_total"), {'{pair="sby"}': 2})
        self.assertEqual(values(text, "hitless_controller_up"), {"": 0})
        counters = self.status()[0]["counters"]
        self.assertLessEqual(values(text, "hitless_path_frames_total")['{pair="sby",path="standby",direction="rx"}'],
                             counters["rx_standby"])

    def test_lost_frames_are_the_nics(self):
        self.attach()
        before = values(self.text(), "hitless_frames_lost_total")['{pair="sby",path="standby"}']
        self.expect(0, "switch", "sby", "standby")
        # Larger than the far end takes: veth refuses it.
        sh("ip link set sby_far mtu 576 && ip addr add 192.0.2.1/24 dev sby && "
           "ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:09 dev sby")
        subprocess.run("ping -c 3 -i 0.01 -W 0.05 -s 1400 192.0.2.2", shell=True, stdout=subprocess.DEVNULL,
                       check=False)
        after = values(self.text(), "hitless_frames_lost_total")['{pair="sby",path="standby"}']
        self.assertGreaterEqual(after - before, 3)

    def test_names_of_any_bytes(self):
        sh("""ip link set pri down && ip link set sby name 'a"b\\c' && ip link set pri up""")
        self.expect(0, "attach", 'a"b\\c', "--primary", "mac")
        done = promtool(self.text())
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_file(self):
        file = f"{self.state}/hitless.prom"
        self.attach()
        self.expect(0, "metrics", "--file", file)
        self.assertEqual(os.listdir(self.state).count("hitless.prom"), 1)
        self.assertEqual(promtool(open(file, encoding="utf-8").read()).returncode, 0)
        self.expect(1, "metrics", "--file", "/nowhere/hitless.prom", says="write /nowhere/hitless.prom")
        self.expect(1, "metrics", "--file", "/dev/null/hitless.prom", says="Not a directory")

    def test_controller_writes_and_serves(self):
        file, path = f"{self.state}/hitless.prom", f"{self.state}/metrics"
        self.attach()
        self.controller("--metrics-file", file, "--metrics-interval", "0.1", "--metrics-socket", path)
        wait_until(lambda: os.path.exists(path), "the socket is there")
        self.expect(0, "switch", "sby", "standby")

        def read():
            with open(file, encoding="utf-8") as written:
                return written.read()
        wait_until(lambda: values(read(), "hitless_flips_total") == {'{pair="sby"}': 2}, "the flip is written")
        self.assertEqual(promtool(read()).returncode, 0)
        self.assertEqual(values(read(), "hitless_controller_up"), {"": 1})
        self.assertEqual(values(read(), "hitless_flip_duration_seconds_count"), {'{pair="sby"}': 1})
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        head, _, body = answer.partition("\r\n\r\n")
        self.assertTrue(head.startswith("HTTP/1.0 200 OK\r\n"), head)
        self.assertIn(f"Content-Length: {len(body)}", head)
        self.assertEqual(promtool(body).returncode, 0)

    def test_a_file_that_cannot_be_written_any_more_stops_nothing(self):
        folder = f"{self.state}/textfile"
        os.mkdir(folder)
        self.attach()
        process = self.controller("--metrics-file", f"{folder}/hitless.prom", "--metrics-interval", "0.1")
        wait_until(lambda: os.path.exists(f"{folder}/hitless.prom"), "written")
        sh(f"rm -r {folder}")
        for path in ("standby", "auto"):
            self.expect(0, "switch", "sby", path, "--wait")
        self.assertIsNone(process.poll())
        os.mkdir(folder)
        wait_until(lambda: os.path.exists(f"{folder}/hitless.prom"), "written again")

    HANGS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    char hung[4096];
    snprintf(hung, sizeof(hung), "%s.hangs", to);
    if (strstr(to, ".prom") && access(hung, F_OK) == 0) {
        symlink("here", strcat(hung, ".now"));
        for (;;)
            pause();
    }
    return real(from, to);
}
"""

    def test_a_file_system_that_hangs_delays_no_flip(self):
        """rename() of the file never returns, once hitless.prom.hangs is there."""
        file, shim = f"{self.state}/hitless.prom", f"{self.state}/hangs"
        with open(f"{shim}.c", "w", encoding="utf-8") as source:
            source.write(self.HANGS)
        sh(f"cc -w -shared -fPIC -o {shim}.so {shim}.c")
        self.attach("--hold-down", "20", "--proof-timeout", "20")
        self.env["LD_PRELOAD"] = f"{shim}.so"
        process = self.controller("--metrics-file", file, "--metrics-interval", "0.1")
        del self.env["LD_PRELOAD"]
        wait_until(lambda: os.path.exists(file), "written")
        sh(f"touch {file}.hangs")
        wait_until(lambda: os.path.islink(f"{file}.hangs.now"), "it hangs")
        for _ in range(3):
            sh("ip link set pri_far down")
            wait_until(lambda: "link-down" in self.status(0, 2)[0]["veto"], "the controller has seen it")
            sh("ip link set pri_far up")
            wait_until(lambda: self.status(0, 2)[0]["active"] == "primary", "and given it back")
        self.assertEqual(self.end(process), 0)


if __name__ == "__main__":
    unittest.main()
