# SPDX-License-Identifier: BSD-2-Clause
"""Draws the dashboard from real data, as root: a pair with traffic in namespaces of its own, its
metrics recorded twice a second while the primary goes and comes, read back from Prometheus by the
very expressions of hitless.json.

    HITLESS=build/hitless python3 packaging/grafana/record.py docs/img/dashboard.svg

Debian has no Grafana: the lines are Prometheus' answers, only the drawing of them is this script's.
"""
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from html import escape

HERE = os.path.dirname(os.path.abspath(__file__))
HITLESS = os.path.abspath(os.environ.get("HITLESS", "build/hitless"))
STEP, WINDOW = 0.5, "3s"
STORY = [  # second, what happens then
    (8, "ip link set pri_far down"), (16, "ip link set pri_far up"),
    (24, f"{HITLESS} switch sby standby"), (32, f"{HITLESS} switch sby auto"), (40, "true"),
]
LAB = """sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip link add sby address 02:00:00:00:00:01 type veth peer name sby_far
ip link add pri address 02:00:00:00:00:01 type veth peer name pri_far
ip link add sw type bridge; ip link set sby_far master sw; ip link set pri_far master sw
ip link add port type veth peer name far netns {far}; ip link set port master sw
ip addr add 192.0.2.1/24 dev sby
for i in lo sby sby_far pri pri_far sw port; do ip link set $i up; done"""
COLOURS = ["#3274d9", "#e0752d", "#56a64b", "#a352cc", "#e02f44"]


def inside(netns, command):
    return subprocess.run(["nsenter", f"--net=/run/netns/{netns}", "sh", "-ec", command], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


@contextlib.contextmanager
def running(*command, **options):
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def lab():
    near, far = f"hitless-{os.getpid()}", f"hitless-{os.getpid()}-far"
    try:
        for name in (near, far):
            subprocess.run(["ip", "netns", "add", name], check=True)
        inside(near, LAB.format(far=far))
        inside(far, "ip addr add 192.0.2.2/24 dev far; ip link set far up")
        inside(near, f"{HITLESS} attach sby --primary mac")
        with running(HITLESS, "-n", near, "run", "--socket", "", stdout=subprocess.DEVNULL), \
                running("ip", "netns", "exec", near, "ping", "-q", "-i", "0.005", "192.0.2.2",
                        stdout=subprocess.DEVNULL):
            yield near
        inside(near, f"{HITLESS} detach sby")
    finally:
        for name in (near, far):
            subprocess.run(["ip", "netns", "del", name], check=False)


def record(netns):
    """Begin, end, and the metrics of one story as OpenMetrics text with times."""
    families, began = {}, time.time()
    story = list(STORY)
    while story:
        now = time.time()
        if now - began >= story[0][0]:
            inside(netns, story.pop(0)[1])
        for line in inside(netns, f"{HITLESS} metrics").splitlines():
            if line.startswith("# TYPE"):
                _, _, name, kind = line.split()
            elif not line.startswith("#"):
                families.setdefault((name, kind), []).append(f"{line} {now:.3f}")
        time.sleep(max(0.0, now + STEP - time.time()))
    out = []
    for (name, kind), lines in families.items():
        out.append(f"# TYPE {name.removesuffix('_total') if kind == 'counter' else name} {kind}")
        out += sorted(lines, key=lambda line: line.rpartition(" ")[0].rpartition(" ")[0])
    return began, time.time(), "\n".join([*out, "# EOF", ""])


@contextlib.contextmanager
def prometheus(folder, text):
    """The address of one that serves what was recorded, on a port of its own."""
    for name, content in (("recorded", text), ("config", "{}\n")):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(content)
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", f"{folder}/recorded", f"{folder}/data"],
                   check=True, stdout=subprocess.DEVNULL)
    with open(f"{folder}/log", "w+", encoding="utf-8") as log, \
            running("prometheus", f"--config.file={folder}/config", f"--storage.tsdb.path={folder}/data",
                    "--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=10y", stderr=log):
        end = time.monotonic() + 30
        while True:
            with open(f"{folder}/log", encoding="utf-8") as file:
                said = file.read()
            address = re.search(r"(127\.0\.0\.1:[1-9]\d+)", said)
            if address and "ready to receive" in said:
                break
            if time.monotonic() > end:
                raise SystemExit(f"prometheus did not start: {said}")
            time.sleep(0.1)
        yield address[1]


def query(address, expression, start, end):
    args = urllib.parse.urlencode({"query": expression.replace("$__rate_interval", WINDOW), "start": start,
                                   "end": end, "step": STEP})
    with urllib.request.urlopen(f"http://{address}/api/v1/query_range?{args}") as reply:
        return json.load(reply)["data"]["result"]


def draw(panel, series, start, end):
    place = panel["gridPos"]
    x, y, width, height = place["x"] * 40, place["y"] * 26, place["w"] * 40 - 8, place["h"] * 26 - 8
    top = max([float(v) for _, values in series for _, v in values], default=1) or 1
    left, right, upper, lower = x + 44, x + width - 10, y + 32, y + height - 36
    out = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="#fff" stroke="#d0d3d8"/>',
           f'<text x="{x + 10}" y="{y + 20}" font-weight="bold">{escape(panel["title"])}</text>']
    for share in (0, 0.5, 1):
        at = lower - (lower - upper) * share
        out.append(f'<path d="M{left} {at:.1f}H{right}" stroke="#e4e6ea"/>'
                   f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{top * share:.4g}</text>')
    for number, (name, values) in enumerate(series):
        colour, last, path = COLOURS[number % len(COLOURS)], None, ""
        for when, value in values:
            path += f"{'M' if last is None or when - last > 1.5 * STEP else 'L'}" \
                    f"{left + (when - start) / (end - start) * (right - left):.1f} " \
                    f"{lower - float(value) / top * (lower - upper):.1f}"
            last = when
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
                   f'<text x="{left + 110 * (number % 4)}" y="{lower + 15 + 12 * (number // 4)}" fill="{colour}">'
                   f"{escape(name)}</text>")
    return "".join(out)


def main(target):
    with open(f"{HERE}/hitless.json", encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    drawn = ""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HITLESS_STATE_DIR"] = f"{folder}/state"
        os.mkdir(f"{folder}/state")
        try:
            with lab() as netns:
                start, end, text = record(netns)
        finally:
            subprocess.run(["umount", "-l", f"{folder}/state/bpf"], stderr=subprocess.DEVNULL, check=False)
        with prometheus(folder, text) as address:
            for panel in panels:
                (target_,) = panel["targets"]
                series = [(re.sub(r"{{(\w+)}}", lambda label, m=line["metric"]: m.get(label[1], ""),
                                  target_["legendFormat"]), line["values"])
                          for line in query(address, target_["expr"], start, end)]
                drawn += draw(panel, series, start, end)
    bottom = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels) * 26
    with open(target, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 976 {bottom + 8}" '
                   'font-family="DejaVu Sans, sans-serif" font-size="11">'
                   f'<rect x="-8" y="-8" width="976" height="{bottom + 8}" fill="#f4f5f7"/>{drawn}</svg>\n')


if __name__ == "__main__":
    main(sys.argv[1])
