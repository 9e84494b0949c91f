# SPDX-License-Identifier: BSD-2-Clause
"""Writes the dashboard from the list of panels below: `python3 make.py > hitless.json`."""
import json

PANELS = [  # title, unit, width of 24, expression, legend
    ("Active path (1: primary)", "short", 12, 'hitless_path_active{path="primary"}', "{{netns}} {{pair}}"),
    ("Vetoes in force", "short", 12, "hitless_veto == 1", "{{netns}} {{pair}} {{reason}}"),
    ("Frames sent by path", "pps", 12, 'rate(hitless_path_frames_total{direction="tx"}[$__rate_interval])',
     "{{netns}} {{pair}} {{path}}"),
    ("Frames received by path", "pps", 12, 'rate(hitless_path_frames_total{direction="rx"}[$__rate_interval])',
     "{{netns}} {{pair}} {{path}}"),
    ("Flips", "short", 8, "hitless_flips_total", "{{netns}} {{pair}}"),
    ("Dropped on purpose", "pps", 8, "rate(hitless_frames_dropped_total[$__rate_interval])", "{{netns}} {{pair}} {{reason}}"),
    ("Lost by a NIC", "pps", 8, "rate(hitless_frames_lost_total[$__rate_interval])", "{{netns}} {{pair}} {{path}}"),
]


def dashboard():
    panels, x, y = [], 0, 0
    for number, (title, unit, width, expression, legend) in enumerate(PANELS, 1):
        panels.append({
            "id": number, "type": "timeseries", "title": title,
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {"x": x, "y": y, "w": width, "h": 8},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "targets": [{"refId": "A", "expr": expression, "legendFormat": legend}],
        })
        x += width
        if x >= 24:
            x, y = 0, y + 8
    return {"title": "hitless", "uid": "hitless", "schemaVersion": 36, "tags": ["network"], "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"}, "panels": panels,
            "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]}}


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=1))
