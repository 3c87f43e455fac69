#!/bin/bash
# Disks that bring Deno and this project into the Linux guest.
#
#   deno_disk.sh CACHE_DIRECTORY DENO_BINARY REPOSITORY PROJECT_IMAGE
#
# Leaves CACHE_DIRECTORY/deno.img (Deno, its libraries, npm packages; made once per version) and
# PROJECT_IMAGE (the project's sources; made anew each time).
set -euo pipefail
shopt -s inherit_errexit nullglob
cache=$1 deno=$2 repository=$3 image=$4
mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9
cd "$cache"

disk() { # disk IMAGE DIRECTORY: an ext4 image with a directory's content and some room
  local size=$(($(du -sm "$2" | cut -f1) + 24))
  rm -f "$1"
  truncate -s "${size}M" "$1"
  mke2fs -q -F -t ext4 -O ^has_journal -d "$2" "$1"
}

npm=$("$deno" info --json | grep -o '"npmCache": *"[^"]*"' | cut -d'"' -f4)
stamp=$({ "$deno" --version; cat "$repository/deno.json" "$0"; } | sha256sum | cut -d' ' -f1)
if [ "$(cat stamp 2> /dev/null)" != "$stamp" ]; then
  rm -rf root stamp
  mkdir -p root/{dev,proc,sys,tmp,project,cache,lib64}
  cp "$deno" root/deno
  ldd "$deno" | awk '/=> \//{print $3}' | while read -r library; do
    mkdir -p "root/$(dirname "$library")"
    cp -L "$library" "root/$library"
  done
  cp -L /lib64/ld-linux-x86-64.so.2 root/lib64/
  [ -d "$npm" ] && cp -r "$npm" root/cache/npm
  disk deno.img root
  rm -rf root
  echo "$stamp" > stamp
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$repository"/{deno.json,cli,ffi,lib} "$work"
for file in deno.lock mod.ts; do [ -e "$repository/$file" ] && cp "$repository/$file" "$work"; done
disk "$image" "$work"
