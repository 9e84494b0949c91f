# SPDX-License-Identifier: BSD-2-Clause
"""extract.py PAGE FILE TARGET: writes the code block of PAGE that is headed FILE to TARGET."""
import re
import sys

page, name, target = sys.argv[1:]
with open(page, encoding="utf-8") as file:
    block = re.search(rf"^```\w+ {re.escape(name)}\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)
if not block:
    sys.exit(f"{page} has no code block headed {name}")
if block[1].count("\n") > 60:
    sys.exit(f"{page}: {name} is longer than 60 lines")
with open(target, "w", encoding="utf-8") as file:
    file.write(block[1])
