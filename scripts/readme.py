# SPDX-License-Identifier: BSD-2-Clause
"""readme.py README MARK PAGE: puts PAGE's body between <!-- MARK --> and <!-- /MARK -->."""

import re
import sys


def main(readme, mark, page):
    with open(page) as file:
        body = file.read().split("\n", 2)[2].strip()
    with open(readme) as file:
        text = file.read()
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    if not re.search(pattern, text, re.S):
        sys.exit(f"{readme} has no {begin} ... {end}")
    text = re.sub(pattern, lambda _: f"{begin}\n{body}\n{end}", text, flags=re.S)
    with open(readme, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
