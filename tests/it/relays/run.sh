#!/bin/bash
# Runs the relay $1 in the directory $2, with one user $3 whose password is $4,
# until standard input ends, and keeps its log as $5. The test process holds
# the other end of the pipe, so the relay stops with it, however that ends:
# destructors of statics never run, and those of a killed process neither.
set -euo pipefail
relay=$1 dir=$2 username=$3 password=$4 log=$5

finish() {
  cat "$dir"/log/* >"$log" 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
# Ctrl-C reaches the whole process group. The end of the pipe follows it.
trap '' INT TERM HUP

mkdir -p "$dir"/{log,mail,queue}
chmod 755 "$dir"
chmod 600 "$dir/etc/key.pem"
chown 65534:65534 "$dir/mail"
bash "$(dirname "$0")/$relay/run.sh" "$dir" "$username" "$password"
