#!/usr/bin/env bash
# Run the tests with the Python and the Redis of another Debian, in a root file system of its own.
#
#   tests/on_debian.sh trixie             # Debian 13: Python 3.13, Redis 8
#   tests/on_debian.sh forky -k sweep     # its successor: Python 3.14; arguments go to pytest
#
# It needs root, mmdebstrap and git, takes what is committed, and keeps the file system in
# $FOLDER (default: /var/tmp/threadmill-SUITE), so that the next start only updates the sources.
set -euo pipefail

suite=${1:?"name a suite of Debian: trixie, forky"}
folder=${FOLDER:-/var/tmp/threadmill-$suite}
sources=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
packages=python3,python3-venv,make,git,redis-server,openssl,ca-certificates,iproute2,docker-compose

if [ "$(id -u)" -ne 0 ]; then
    echo "on_debian.sh must run as root: it mounts /proc and /dev in the file system." >&2
    exit 1
fi
# In a mount namespace of its own, what is mounted is gone when the script ends, however it ends.
if [ -z "${IN_OWN_NAMESPACE:-}" ]; then
    IN_OWN_NAMESPACE=yes exec unshare --mount --propagation private "$0" "$@"
fi
shift

if [ ! -x "$folder/usr/bin/python3" ]; then
    mkdir -p "$folder"
    # An unreleased suite is signed for a week; on a mirror that stands still the week is over.
    mmdebstrap --variant=minbase --include="$packages" \
        --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$folder.new" \
        "${MIRROR:-http://deb.debian.org/debian}"
    mv --no-target-directory "$folder.new" "$folder"
fi
mount -t proc proc "$folder/proc"
mount --rbind /dev "$folder/dev"
cp /etc/resolv.conf /etc/hosts "$folder/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"

if [ ! -d "$folder/src" ]; then git init --quiet "$folder/src"; fi
git -C "$folder/src" fetch --quiet "$sources" HEAD
git -C "$folder/src" reset --quiet --hard FETCH_HEAD

arguments=
if [ "$#" -gt 0 ]; then arguments=$(printf '%q ' "$@"); fi
chroot "$folder" env -u PYTHONPATH -u IN_OWN_NAMESPACE HOME=/root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    make --directory=/src test ARGS="$arguments"
