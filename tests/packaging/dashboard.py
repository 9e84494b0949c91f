# SPDX-License-Identifier: BSD-2-Clause
"""dashboard.py FOLDER METRICS: fails when FOLDER/hitless.json is not what make.py writes, or uses a
metric or label that METRICS, the golden text, has not."""
import json
import re
import subprocess
import sys

folder, metrics = sys.argv[1:]
with open(f"{folder}/hitless.json", encoding="utf-8") as file:
    written = file.read()
made = subprocess.run([sys.executable, f"{folder}/make.py"], check=True, capture_output=True, text=True).stdout
if written != made:
    sys.exit("hitless.json is not what make.py writes")
with open(metrics, encoding="utf-8") as file:
    known = {name: set(re.findall(r"(\w+)=", labels))
             for name, labels in re.findall(r"^(hitless_\w+)(\{.*\})? ", file.read(), re.MULTILINE)}
for panel in json.loads(written)["panels"]:
    query = panel["targets"][0]
    (name,) = re.findall(r"hitless_\w+", query["expr"])
    used = set(re.findall(r"(\w+)=\"", query["expr"])) | set(re.findall(r"{{(\w+)}}", query["legendFormat"]))
    if name not in known or not used <= known[name]:
        sys.exit(f"{panel['title']}: no metric {name} with labels {used}")
