#!/bin/bash
# OpenSMTPD in directory $1, with one user $2 whose password is $3, until
# standard input ends.
set -euo pipefail
here=$(dirname "$0")
dir=$1 username=$2 password=$3

mkdir -p "$dir"/{run,var/opensmtpd/empty}
hash=$(openssl passwd -6 -stdin <<<"$password")
echo "$username $hash" >"$dir/etc/credentials"
install -m 755 "$here/refuse.py" "$dir/etc/refuse.py"
exec bash "$here/../alone.sh" "$dir" "opensmtpd opensmtpq" \
  "$dir/var:/var/lib $dir/queue:/var/spool $dir/run:/run" \
  /usr/sbin/smtpd -d -f "$dir/etc/smtpd.conf" 2>"$dir/log/mail.log"
