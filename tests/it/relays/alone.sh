#!/bin/bash
# Runs a relay from unpacked Debian packages, in the foreground, until standard
# input ends: alone.sh DIR "USER.." "FROM:TO.." COMMAND..
#
# Debian's mail servers exclude each other, and have users and paths compiled
# in. So this one gets mounts and process IDs of its own. For it alone, its
# packages lie over /usr, the users are there, and each FROM is seen at TO. All
# that it has started ends with this script.
set -euo pipefail
packages=$(realpath "$(dirname "$0")/../../../.tools/relays")
if [[ ! -d $packages/usr ]]; then
  echo "$packages is missing: \`scripts/test relays\` puts it there" >&2
  exit 1
fi
dir=$1 users=$2 mounts=$3
shift 3

cp /etc/passwd "$dir/etc/passwd"
cp /etc/group "$dir/etc/group"
id=64990
for user in $users; do
  echo "$user:x:$id:$id::/nonexistent:/usr/sbin/nologin" >>"$dir/etc/passwd"
  echo "$user:x:$id:" >>"$dir/etc/group"
  ((++id))
done
mounts+=" $dir/etc/passwd:/etc/passwd $dir/etc/group:/etc/group"

# The first process of the namespace: with its end all others are killed.
PACKAGES=$packages MOUNTS=$mounts exec unshare --mount --pid --fork --kill-child bash -c '
  set -euo pipefail
  for pair in $MOUNTS; do mount --bind "${pair%%:*}" "${pair#*:}"; done
  mount -t overlay overlay -o "lowerdir=$PACKAGES/usr:/usr" /usr
  "$@" 3<&- </dev/null &
  cat <&3 >/dev/null &
  wait -n
' alone "$@" 3<&0
