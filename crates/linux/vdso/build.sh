#!/bin/bash
# Builds the vDSO, byte for byte as it is committed.
#
#   crates/linux/vdso/build.sh            writes it beside its source
#   crates/linux/vdso/build.sh DIRECTORY  writes it there instead, to compare
#
# The compiler is that of guests/build.sh.
set -euo pipefail
cd "$(dirname "$0")"
flags=(-march=rv64gc -mabi=lp64d -nostdlib -shared -fPIC -s
       -Wl,-soname,linux-vdso.so.1 -Wl,--hash-style=both -Wl,--build-id=none
       -Wl,--eh-frame-hdr -Wl,-Bsymbolic -Wl,--version-script,vdso.map -Wl,-T,vdso.lds)
riscv64-linux-gnu-gcc "${flags[@]}" -o "${1:-.}/vdso.so" vdso.S
