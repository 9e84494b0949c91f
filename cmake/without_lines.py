# SPDX-License-Identifier: BSD-2-Clause
"""without_lines.py FILE: takes the line info out of a .BTF.ext section. A quarter of an object is C source by
the line, for the verifier's log; func info and CO-RE relocations, which the kernel and libbpf use, stay."""
import struct
import sys

HEADER = struct.Struct("<HBBI6I")  # struct btf_ext_header of libbpf: magic to core_relo_len

with open(sys.argv[1], "rb") as file:
    data = file.read()
magic, version, flags, size, *parts = HEADER.unpack_from(data)
if (magic, version) != (0xEB9F, 1) or size < HEADER.size:
    sys.exit(f"{sys.argv[1]} is no .BTF.ext with CO-RE relocations")
func_info, line_info, core_relo = (data[size + at:size + at + length] for at, length in zip(parts[::2], parts[1::2]))
if not line_info:
    sys.exit(f"{sys.argv[1]} has no line info")
header = HEADER.pack(magic, version, flags, HEADER.size,
                     0, len(func_info), len(func_info), 0, len(func_info), len(core_relo))
with open(sys.argv[1], "wb") as file:
    file.write(header + func_info + core_relo)
