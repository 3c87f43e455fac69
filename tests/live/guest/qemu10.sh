#!/bin/bash
# QEMU 10 of bookworm-backports, unpacked and not installed: its virtio-gpu has a shared memory
# region (hostmem), which Debian 12's own QEMU 7.2 has not.
#
#   qemu10.sh CACHE_DIRECTORY
#
# Leaves CACHE_DIRECTORY/qemu-system-x86_64, which runs with what is unpacked beside it. apt's own
# lists are left alone: a private list of one suite is used.
set -euo pipefail
cache=$1
mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9
cd "$cache"
[ -x qemu-system-x86_64 ] && exit 0
. /etc/os-release
[ "${VERSION_CODENAME:-}" = bookworm ] || { echo "bookworm-backports is for Debian 12" >&2; exit 1; }
mkdir -p lists/partial archives/partial debs
# The mirror that this machine uses already.
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
  grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -1 | tr -d ' ') || true
[ -n "$mirror" ] || { echo "no Debian mirror in apt's sources" >&2; exit 1; }
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm-backports main" \
  > sources.list
private="-o Dir::Etc::sourcelist=$cache/sources.list -o Dir::Etc::sourceparts=-
  -o Dir::State::lists=$cache/lists -o Dir::Cache=$cache -o Acquire::Languages=none
  -o APT::Update::Error-Mode=any"
apt-get -q $private update > /dev/null 2>&1 || { echo "bookworm-backports: out of reach" >&2; exit 1; }
(cd debs && apt-get -q $private download qemu-system-x86 qemu-system-common qemu-system-data \
  > /dev/null 2>&1) || { echo "bookworm-backports: download failed" >&2; exit 1; }
for package in debs/*.deb; do dpkg -x "$package" root; done
# Libraries that QEMU 7.2 did not want, of Debian 12 itself.
binary=root/usr/bin/qemu-system-x86_64
if ldd "$binary" | grep -q 'not found'; then
  (cd debs && apt-get -q download libbpf1 libfuse3-3 > /dev/null 2>&1) || true
  for package in debs/lib*.deb; do dpkg -x "$package" root; done
fi
rm -rf debs lists archives ./*.bin
cat > wrapper << WRAPPER
#!/bin/sh
export QEMU_MODULE_DIR=$cache/root/usr/lib/x86_64-linux-gnu/qemu
export LD_LIBRARY_PATH=$cache/root/usr/lib/x86_64-linux-gnu:$cache/root/lib/x86_64-linux-gnu
exec $cache/root/usr/bin/qemu-system-x86_64 -L $cache/root/usr/share/qemu \\
  -L /usr/share/qemu -L /usr/share/seabios -L /usr/lib/ipxe/qemu "\$@"
WRAPPER
chmod +x wrapper
./wrapper --version > /dev/null || { echo "QEMU 10 does not run here" >&2; exit 1; }
mv wrapper qemu-system-x86_64
