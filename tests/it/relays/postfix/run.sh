#!/bin/bash
# Postfix in directory $1, with one user $2 whose password is $3, until standard
# input ends. It runs from the system's package.
set -euo pipefail
dir=$1 username=$2 password=$3

trap 'postfix -c "$dir/etc" stop >/dev/null 2>&1 || true' EXIT
mkdir -p "$dir"/{data,etc/sasl}
chown postfix "$dir/data"

cat >"$dir/etc/sasl/smtpd.conf" <<CONF
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: $dir/data/sasldb2
mech_list: SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN
CONF
saslpasswd2 -p -c -f "$dir/data/sasldb2" -u localhost "$username" <<<"$password"
chown postfix "$dir/data/sasldb2"

postfix -c "$dir/etc" start </dev/null >&2
cat >/dev/null
