#!/bin/bash
# Builds the Linux guest of the live tests: kernel, initramfs, disk. Nothing is installed; Debian's
# kernel package is downloaded by name and unpacked below the cache directory.
#
#   build.sh CACHE_DIRECTORY
#
# Leaves vmlinux, initrd.cpio and disk.img in CACHE_DIRECTORY/out. Safe to run from several tests at
# once; made again only when what it is made of has changed.
set -euo pipefail
shopt -s inherit_errexit nullglob
cache=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9
cd "$cache"

# Everything about bus and device that a test may want; `depends` decides the order of loading.
wanted="net_failover virtio_pci virtio_mmio virtio_balloon virtio_mem virtio_input virtio_blk
virtio_net virtio_console virtio-rng sd_mod virtio_scsi virtiofs vmw_vsock_virtio_transport
virtio_pmem ext4 uio_pci_generic"

# A stamp is compared first, so that a warm start takes milliseconds and no network.
stamp=$({ cat "$here/build.sh" "$here/init" "$(command -v busybox)"; } | sha256sum | cut -d' ' -f1)
[ "$(cat out/stamp 2>/dev/null)" = "$stamp" ] && exit 0
rm -rf out image
mkdir -p out image/{bin,dev,modules,proc,sys,tmp,mnt}

# --- Kernel -------------------------------------------------------------------------------------
if ! compgen -G "root/boot/vmlinuz-*" > /dev/null; then
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/{print $2; exit}')
  [ -n "$package" ] || { echo "apt knows no linux-image-cloud-amd64: run apt-get update" >&2; exit 1; }
  rm -rf packages root && mkdir packages
  (cd packages && apt-get download -q "$package" > /dev/null 2>&1) ||
    { echo "apt-get download $package failed: run apt-get update" >&2; exit 1; }
  dpkg -x packages/*.deb root.part
  mv root.part root
  rm -rf packages
fi
release=$(ls root/lib/modules | head -1)

number() { od -An -t"u$3" -j"$2" -N"$3" "$1" | tr -d ' '; }

# The ELF inside a bzImage: saves the guest about a second of decompression under emulation.
# Offsets: Linux Documentation/arch/x86/boot.rst (setup_sects, payload_offset, payload_length).
# The last four bytes of the payload are its size, which the decompressors call trailing garbage.
extract_vmlinux() {
  local sectors offset length
  sectors=$(number "$1" 497 1)
  offset=$(((sectors + 1) * 512 + $(number "$1" 584 4)))
  length=$(number "$1" 588 4)
  tail -c "+$((offset + 1))" "$1" | head -c "$length" > payload || true
  case $(od -An -tx1 -N4 payload | tr -d ' ') in
    02214c18) lz4 -dcq < payload > "$2" 2> /dev/null || true ;;
    fd377a58) xz -dcq --single-stream < payload > "$2" || true ;;
    1f8b*) gzip -dcq < payload > "$2" || true ;;
    28b52ffd) zstd -dcq < payload > "$2" || true ;;
    *) echo "kernel payload in an unknown compression" >&2; exit 1 ;;
  esac
  rm payload
  [ "$(head -c 4 "$2" | tail -c 3)" = ELF ] || { echo "no ELF kernel in $1" >&2; exit 1; }
}
extract_vmlinux "root/boot/vmlinuz-$release" out/vmlinux

# --- Modules, in the order of their dependencies ------------------------------------------------
declare -A file loaded
while read -r path; do
  name=$(basename "$path")
  name=${name%%.ko*}
  file[${name//-/_}]=$path
done < <(find "root/lib/modules/$release" -name '*.ko' -o -name '*.ko.xz' -o -name '*.ko.zst')

load() {
  local name=${1//-/_} path target next
  path=${file[$name]:-}
  [ -n "$path" ] || return 0 # built into this kernel, or not in it at all
  [ -z "${loaded[$name]:-}" ] || return 0
  loaded[$name]=1
  target=image/modules/$name.ko
  case $path in
    *.xz) xz -dc "$path" > "$target" ;;
    *.zst) zstd -dcq "$path" > "$target" ;;
    *) cp "$path" "$target" ;;
  esac
  # Soft dependencies too, which no symbol names.
  for next in $(tr '\0' '\n' < "$target" | sed -n 's/^depends=//p; s/^softdep=pre: *//p' | tr ',' ' '); do
    load "$next"
  done
  echo "$name" >> image/modules/order
}
for module in $wanted; do load "$module"; done

# --- Initramfs ----------------------------------------------------------------------------------
cp "$(command -v busybox)" image/bin/busybox
ln -s busybox image/bin/sh
install -m755 "$here/init" image/init
(cd image && find . | cpio -o -H newc -R 0:0 --quiet) > out/initrd.cpio
rm -rf image

# --- Disk: 16 MiB whose sectors say their number ------------------------------------------------
awk 'BEGIN { for (i = 0; i < 32768; i++) printf "%-511s\n", "guestmem disk sector " i }' > out/disk.img
echo "$stamp" > out/stamp
