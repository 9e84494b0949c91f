# SPDX-License-Identifier: BSD-2-Clause
"""A lab of real guests: Debian kernels in QEMU with NICs that come and go."""
