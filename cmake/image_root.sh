#!/bin/sh
# image_root.sh BUILD OUT: makes OUT/operator and OUT/worker, the files of the images, from the
# programs in BUILD: each program without debug information, the libraries that it loads, and of
# each one's package the licence and a record for scanners. Same programs, same bytes: all times are
# those of 1970.
set -eu
build=$1 out=$2
libraries=usr/lib/$(gcc -print-multiarch)

# skeleton ROOT: the folders that every image has, and a user for its processes.
skeleton() {
  mkdir -p "$1/etc" "$1/usr/local/bin" "$1/usr/local/lib" "$1/$libraries" "$1/usr/lib64" \
    "$1/usr/share/doc/paralleljob" "$1/tmp" "$1/var/lib/dpkg/status.d"
  chmod 1777 "$1/tmp"
  ln -s usr/lib "$1/lib"
  ln -s usr/lib64 "$1/lib64"
  echo 'nonroot:x:65532:65532::/:/sbin/nologin' >"$1/etc/passwd"
  echo 'nonroot:x:65532:' >"$1/etc/group"
  echo 'hosts: files dns' >"$1/etc/nsswitch.conf"
  cp -L /etc/os-release "$1/etc/"
  cp src/LICENSE "$1/usr/share/doc/paralleljob/"
  cp -R /usr/share/common-licenses "$1/usr/share/"  # the packages' licences refer to these
}

# package ROOT NAME: its licence, and its name and version where scanners of images look.
package() {
  mkdir -p "$1/usr/share/doc/$2"
  cp -L "/usr/share/doc/$2/copyright" "$1/usr/share/doc/$2/"
  dpkg-query --status "$2" >"$1/var/lib/dpkg/status.d/$2"
}

# library ROOT FILE
library() {
  place=$(readlink -f "$(dirname "$2")")/$(basename "$2")
  cp -L "$place" "$1$place"
  # By its name: the package's list of files may know the folder under its other name.
  owner=$(dpkg-query --search "*/$(basename "$(readlink -f "$place")")" | sed 's/:.*//' | sort -u)
  case $owner in
    '' | *[!a-z0-9+.-]*)
      echo "error: $2 belongs to no package, or to several: '$owner'" >&2
      return 1
      ;;
  esac
  package "$1" "$owner"
  sum=$(md5sum "$place" | cut -d' ' -f1)
  echo "$sum  ${place#/}" >>"$1/var/lib/dpkg/status.d/$owner.md5sums"
}

# program ROOT FILE PLACE: FILE as ROOT/PLACE, and the libraries that it loads.
program() {
  mkdir -p "$(dirname "$1/$3")"
  strip -o "$1/$3" "$2"
  chmod 755 "$1/$3"
  loaded=$(ldd "$2") || return 0  # a static program loads none
  case $loaded in
    *'not found'*)
      echo "error: $2 needs libraries that are not here: $loaded" >&2
      return 1
      ;;
  esac
  for file in $(echo "$loaded" | grep -o '/[^ ]*' | sort); do
    [ -e "$1$(readlink -f "$(dirname "$file")")/$(basename "$file")" ] || library "$1" "$file"
  done
}

# runtime ROOT: what `paralleljob-worker install` copies for the user's container. Libraries that
# its native modules load are those of the user's image.
runtime() {
  place=$1/usr/local/lib/paralleljob
  mkdir -p "$place/python"
  program "$1" "$build/worker/host/paralleljob-host" usr/local/lib/paralleljob/bin/paralleljob-host
  (cd "$build/python_runtime" && find . -name '*.py' -exec cp --parents {} "$place/python" \;)
  for module in "$build"/python_runtime/*.so; do
    strip -o "$place/python/$(basename "$module")" "$module"
    chmod 644 "$place/python/$(basename "$module")"
  done
  chmod -R u=rwX,go=rX "$place"
}

# finish ROOT
finish() {
  find "$1" -exec touch --no-dereference --date=@0 {} +
}

mkdir -p "$out"
skeleton "$out/operator"
program "$out/operator" "$build/operator/paralleljob-operator" usr/local/bin/paralleljob-operator
skeleton "$out/worker"
program "$out/worker" "$build/worker/paralleljob-worker" usr/local/bin/paralleljob-worker
runtime "$out/worker"
# Compiled in: headers, and the libraries of static programs.
for name in libcli11-dev nlohmann-json3-dev; do
  package "$out/operator" "$name"
  package "$out/worker" "$name"
done
gcc=$(gcc -dumpversion)
for name in libc6-dev libfmt-dev "libgcc-$gcc-dev" "libstdc++-$gcc-dev" pybind11-dev; do
  package "$out/worker" "$name"
done
finish "$out/operator"
finish "$out/worker"
