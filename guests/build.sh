#!/bin/bash
# Builds the guests that ship with the repository, byte for byte as they are committed.
#
#   guests/build.sh            writes each ELF beside its source
#   guests/build.sh DIRECTORY  writes them there instead, to compare
#
# The compiler is Debian 12's: apt-get install gcc-riscv64-linux-gnu (12.2.0). Sources are named
# relative to this folder, nothing records a path or a date, and there is no build id.
set -euo pipefail
cd "$(dirname "$0")"
compiler=riscv64-linux-gnu-gcc
flags=(-std=gnu11 -O2 -Wall -Wextra -Werror -march=rv64gc -mabi=lp64d -mcmodel=medany
       -ffreestanding -nostdlib -static -fno-pic -no-pie -fno-builtin -fno-math-errno
       -fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-ident
       -fno-tree-loop-distribute-patterns
       -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--gc-sections
       -Wl,-z,separate-code)

build() { # name, sources…
    local name=$1 out
    shift
    out=${destination:+$destination/$name}
    "$compiler" "${flags[@]}" -o "${out:-$name/$name}" rt/rt.c "$@"
}

destination=${1:-}
build raytrace raytrace/raytrace.c raytrace/png.c
build lisp lisp/lisp.c lisp/heap.c lisp/reader.c lisp/builtins.c lisp/demos.c
build manyfuncs manyfuncs/manyfuncs.c
