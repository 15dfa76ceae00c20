#!/bin/bash
# Runs the Postfix in directory $1, with one user $2 whose password is $3,
# until standard input ends, and keeps its log as $4. The test process holds
# the other end of the pipe, so Postfix stops with it, however that ends:
# destructors of statics never run, and those of a killed process neither.
set -euo pipefail
dir=$1 username=$2 password=$3 log=$4

finish() {
  postfix -c "$dir/etc" stop >/dev/null 2>&1 || true
  cp "$dir/log/mail.log" "$log" 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
# Ctrl-C reaches the whole process group. The end of the pipe follows it.
trap '' INT TERM HUP

mkdir -p "$dir"/{queue,data,log,mail,etc/sasl}
chmod 755 "$dir"
chmod 600 "$dir/etc/key.pem"
chown postfix "$dir/data"
chown 65534:65534 "$dir/mail"

cat >"$dir/etc/sasl/smtpd.conf" <<CONF
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: $dir/data/sasldb2
mech_list: PLAIN LOGIN
CONF
saslpasswd2 -p -c -f "$dir/data/sasldb2" -u localhost "$username" <<<"$password"
chown postfix "$dir/data/sasldb2"

postfix -c "$dir/etc" start </dev/null >&2
cat >/dev/null
