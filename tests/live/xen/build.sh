#!/bin/bash
# Builds the live image: Xen, a Debian dom0 with Deno in it, and small guests, all in initramfs
# archives for qemu-system-x86_64. Nothing is installed; Debian's packages are downloaded by name and
# unpacked below the cache directory.
#
#   build.sh CACHE_DIRECTORY DENO_BINARY REPOSITORY [hvm]
#
# With hvm also hvm.cpio: a device model, so that HVM guests can be made.
# Leaves xen, vmlinux, dom0.cpio, deno.cpio and project.cpio in CACHE_DIRECTORY/out. Each layer is made
# again only when what it is made of has changed; project.cpio always is.
set -euo pipefail
shopt -s inherit_errexit nullglob
cache=$1 deno=$2 repository=$3
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$cache/packages" "$cache/out"
cd "$cache"
exec 9> lock
flock 9 # two builds at once would mix their images

# --- Debian's packages --------------------------------------------------------------------------
depends() { apt-cache depends "$@" | awk '/Depends: [a-z]/{print $2}'; }

# The libraries that the Xen tools link and this machine need not have. apt-cache is slow to start, so
# it is asked once for each generation.
libraries() {
  local seen="" todo="$1"
  while [ -n "$todo" ]; do
    seen="$seen $todo"
    todo=$(depends $todo | grep -E '^(libxen|libyajl|libdevmapper)' | sort -u |
      grep -vxF "$(printf '%s\n' $seen)" | tr '\n' ' ' || true)
  done
  printf '%s\n' $seen | sort
}

hypervisor=$(depends xen-system-amd64 | grep -E '^xen-hypervisor-[0-9]')
version=${hypervisor#xen-hypervisor-}
version=${version%-amd64}
kernel=$(depends linux-image-amd64 | grep -E '^linux-image' | head -1)
packages="$hypervisor $(libraries "xen-utils-$version dmsetup") xen-utils-common xenstore-utils libxen-dev $kernel"
[ "${4:-}" = hvm ] || [ -e root/usr/libexec/xen-qemu-system-i386 ] && packages="$packages qemu-system-xen"
policy=$(apt-cache policy $packages | grep -E '^[^ ]|Candidate')
if [ "$policy" != "$(cat root/.packages 2>/dev/null)" ]; then
  rm -rf root packages/*.deb
  (cd packages && apt-get download -q $packages >/dev/null 2>&1)
  for file in packages/*.deb; do dpkg -x "$file" root; done
  rm -f packages/*.deb out/*.stamp
  printf '%s' "$policy" > root/.packages
fi

release=$(ls root/lib/modules | head -1)
modules=$cache/root/lib/modules/$release/kernel
tools=$cache/root/usr/lib/xen-$version/bin
export LD_LIBRARY_PATH=$cache/root/usr/lib/x86_64-linux-gnu:$cache/root/lib/x86_64-linux-gnu

# --- Helpers ------------------------------------------------------------------------------------
stamp() { cat "$@" | sha256sum | cut -d' ' -f1; }
fresh() { [ "$(cat "out/$1.stamp" 2>/dev/null)" = "$2" ] && [ -e "out/$1" ]; }
archive() { (cd "$1" && find . | cpio -o -H newc --quiet); }

# A binary, and the shared libraries it needs, into an image.
binaries() {
  local image=$1 binary library
  shift
  for binary; do
    cp -L "$binary" "$image/bin/"
    ldd "$binary" 2>/dev/null | awk '/=> \//{print $3} /^\t\/lib64/{print $1}' | while read -r library; do
      case $library in
        /lib64/ld*) mkdir -p "$image/lib64" && cp -nL "$library" "$image/lib64/" ;;
        *) cp -nL "$library" "$image/lib/" ;;
      esac
    done
  done
}

skeleton() {
  rm -rf "$1"
  mkdir -p "$1"/{bin,dev,proc,sys,tmp,run,etc,lib/modules,var/log/xen,var/lib/xen,root,boot}
  cp /usr/bin/busybox "$1/bin/busybox"
  ln -s busybox "$1/bin/sh"
  mknod "$1/dev/console" c 5 1
  mknod "$1/dev/null" c 1 3
}

kernel_modules() {
  local image=$1 module
  shift
  for module; do cp "$(find "$modules" -name "$module.ko")" "$image/lib/modules/"; done
}

number() { od -An -t"u$3" -j"$2" -N"$3" "$1" | tr -d ' '; }

# The ELF inside a bzImage: spares Xen the decompression, which is slow under emulation.
# Offsets: Linux Documentation/arch/x86/boot.rst (setup_sects, payload_offset, payload_length).
extract_vmlinux() {
  local sectors offset length
  sectors=$(number "$1" 497 1)
  offset=$(((sectors + 1) * 512 + $(number "$1" 584 4)))
  length=$(number "$1" 588 4)
  tail -c "+$((offset + 1))" "$1" | head -c "$length" > payload || true
  case $(od -An -tx1 -N4 payload | tr -d ' ') in
    fd377a58) xz -dcq --single-stream < payload > "$2" || true ;;
    1f8b*) gzip -dcq < payload > "$2" || true ;;
    28b52ffd) zstd -dcq < payload > "$2" || true ;;
    *) echo "kernel payload in an unknown compression" >&2; exit 1 ;;
  esac
  rm payload
  [ "$(head -c 4 "$2" | tail -c 3)" = ELF ]
}

# --- Xen and the kernel -------------------------------------------------------------------------
if ! fresh vmlinux "$(stamp root/.packages)"; then
  gunzip -c "root/boot/xen-$version-amd64.gz" > out/xen
  extract_vmlinux "root/boot/vmlinuz-$release" out/vmlinux
  stamp root/.packages > out/vmlinux.stamp
fi

# --- Guests and dom0 ----------------------------------------------------------------------------
base=$(stamp root/.packages "$here/build.sh" "$here"/guest/* "$here"/dom0/{init,hotplug} "$here"/dom0/*.c)
if ! fresh dom0.cpio "$base"; then
  rm -rf image && mkdir image
  guest=image/guest
  skeleton $guest
  kernel_modules $guest xen-gntalloc xen-evtchn xen-privcmd xen-gntdev xen-blkfront xen-netfront \
    virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
  install -m755 "$here/guest/init" $guest/init
  gcc -O1 -Wall -static -o $guest/bin/sharer "$here/guest/sharer.c"
  archive $guest | gzip -1 > image/guest.cpio.gz

  dom0=image/dom0
  skeleton $dom0
  kernel_modules $dom0 xen-gntalloc xen-evtchn xen-privcmd xenfs xen-gntdev xen-blkback xen-netback brd dm-mod
  binaries $dom0 "$tools"/{xl,xenstored,xenconsoled,xen-init-dom0,lsevtchn,libxl-save-helper}
  for name in xenstore-ls xenstore-read xenstore-write xenstore-list dmsetup; do
    binaries $dom0 "$(find root/usr/bin root/sbin root/usr/sbin "$tools" -name $name | head -1)"
  done
  cp -L /lib/x86_64-linux-gnu/libgcc_s.so.1 $dom0/lib/ # loaded by xl's pthread_cancel
  mkdir -p "$dom0/usr/lib/xen-$version/bin" $dom0/etc/xen/scripts
  ln -s /bin/libxl-save-helper "$dom0/usr/lib/xen-$version/bin/"
  install -m755 "$here/dom0/hotplug" $dom0/etc/xen/scripts/block
  install -m755 "$here/dom0/hotplug" $dom0/etc/xen/scripts/vif-bridge
  printf 'autoballoon="off"\nclaim_mode=0\n' > $dom0/etc/xen/xl.conf
  ln out/vmlinux $dom0/boot/vmlinux
  mv image/guest.cpio.gz $dom0/boot/
  install -m755 "$here/dom0/init" $dom0/init
  for source in "$here"/dom0/*.c; do
    program=image/$(basename "$source" .c)
    gcc -O2 -Wall -I root/usr/include -o "$program" "$source" -L root/usr/lib/x86_64-linux-gnu \
      -Wl,-rpath-link,"$LD_LIBRARY_PATH" -lxenforeignmemory -lxengnttab
    binaries $dom0 "$program"
  done
  archive $dom0 > out/dom0.cpio
  rm -rf image
  echo "$base" > out/dom0.cpio.stamp
fi

# --- The device model of HVM guests ----------------------------------------------------------------
if [ "${4:-}" = hvm ] && ! fresh hvm.cpio "$base"; then
  rm -rf image
  mkdir -p image/{bin,lib,boot} image/usr/libexec image/usr/share/{qemu,seabios} "image/usr/lib/xen-$version/boot"
  binaries image root/usr/libexec/xen-qemu-system-i386
  mv image/bin/xen-qemu-system-i386 image/usr/libexec/
  cp "root/usr/lib/xen-$version/boot/hvmloader" "image/usr/lib/xen-$version/boot/"
  cp -L /usr/share/seabios/bios-256k.bin image/usr/share/seabios/
  for name in linuxboot.bin linuxboot_dma.bin kvmvapic.bin; do cp -L /usr/share/qemu/$name image/usr/share/qemu/; done
  cp -rL /usr/share/qemu/keymaps image/usr/share/qemu/
  cp "root/boot/vmlinuz-$release" image/boot/bzImage
  archive image > out/hvm.cpio
  rm -rf image
  echo "$base" > out/hvm.cpio.stamp
fi

# --- Deno and the project -----------------------------------------------------------------------
npm=$("$deno" info --json | grep -o '"npmCache": *"[^"]*"' | cut -d'"' -f4)
layer=$( ("$deno" --version; ls -R "$npm" 2>/dev/null; cat "$here/build.sh") | sha256sum)
if ! fresh deno.cpio "$layer"; then
  mkdir -p image/bin image/lib image/deno
  binaries image "$deno"
  [ -d "$npm" ] && cp -r "$npm" image/deno/npm
  archive image > out/deno.cpio
  rm -rf image
  echo "$layer" > out/deno.cpio.stamp
fi
mkdir -p image/project/tests/live
cp -r "$repository"/{deno.json,cli,ffi,lib} image/project/
cp "$repository"/{deno.lock,mod.ts} image/project/ 2>/dev/null || true
cp -r "$repository/tests/support" image/project/tests/ 2>/dev/null || true
cp -r "$here" image/project/tests/live/
archive image > out/project.new
mv out/project.new out/project.cpio
rm -rf image
