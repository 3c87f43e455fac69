#!/bin/bash
# Boots the live image under emulation and prints its console. Exits with the job's own status,
# 124 on timeout, 125 when the job gave none.
#
#   boot.sh CACHE_DIRECTORY JOB_FILE SECONDS pv|pvh [hvm]
#
# pv or pvh is the kind of dom0. `-cpu max,-xsave`: with XSAVE, emulated Xen corrupts FPU state and
# programs crash at random. A PVH dom0 wants an IOMMU, and no RDTSCP, which QEMU's SVM lacks.
set -uo pipefail
cache=$1 job=$2 seconds=$3 kind=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/job"
cp "$job" "$work/job/job"
layers="dom0 deno project ${5:-}"
for layer in $layers; do cat "$cache/out/$layer.cpio"; done > "$work/initrd"
(cd "$work/job" && find . | cpio -o -H newc --quiet) >> "$work/initrd"
xen="dom0_mem=1536M,max:1536M dom0_max_vcpus=1 com1=115200,8n1 console=com1 no-real-mode edd=off"
xen="$xen spec-ctrl=no xpti=off pcid=no smap=off smep=off watchdog=off loglvl=error guest_loglvl=error"
linux="console=hvc0 rdinit=/init mitigations=off quiet audit=0 nowatchdog panic=-1"
machine="-M pc -cpu max,-xsave"
if [ "$kind" = pvh ]; then
  xen="$xen dom0=pvh"
  machine="-M q35 -cpu max,-xsave,-rdtscp -device amd-iommu"
fi
# A comma inside a module's arguments would be doubled; there is none.
timeout -k 5 "$seconds" qemu-system-x86_64 $machine -accel tcg,thread=multi,tb-size=512 -smp 1 -m 3072 \
  -nodefaults -display none -serial stdio -no-reboot \
  -kernel "$cache/out/xen" -append "$xen" -initrd "$cache/out/vmlinux $linux,$work/initrd" \
  < /dev/null | sed -u 's/\r//g' | tee "$work/console"
status=${PIPESTATUS[0]}
[ "$status" = 0 ] || exit "$status"
result=$(grep -ao '^@@ exit [0-9]*' "$work/console" | tail -1)
exit "${result#@@ exit }" 2>/dev/null || exit 125
