#!/bin/bash
# A Postfix that takes all mail by STARTTLS and drops it behind its queue. Says
# where it listens, then how many mails it took whenever it is asked by a line,
# and stops when standard input ends.
set -euo pipefail
dir=$(mktemp -d /tmp/posthaste-bench-postfix-XXXXXX)
trap 'postfix -c "$dir/etc" stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
# Ctrl-C reaches the whole process group. The end of standard input follows it.
trap '' INT TERM HUP
mkdir "$dir"/{etc,log,queue,data}
chmod 755 "$dir"
chown postfix "$dir/data"
port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')

(
  cd "$dir/etc"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj "/CN=benchmark CA" -keyout ca.key -out ca.pem
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -subj "/CN=localhost" -keyout key.pem -out leaf.csr
  openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 2 -out chain.pem \
    -extfile <(echo "subjectAltName=DNS:localhost")
) >"$dir/log/openssl" 2>&1

cat >"$dir/etc/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
maillog_file = $dir/log/mail.log
maillog_file_prefixes = $dir
myhostname = localhost
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
default_transport = discard:
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = $dir/etc/key.pem, $dir/etc/chain.pem
CONF
cat >"$dir/etc/master.cf" <<CONF
127.0.0.1:$port inet n - n - - smtpd
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
CONF
postfix -c "$dir/etc" start >"$dir/log/start" 2>&1 </dev/null

# The log is written by a process of its own, and so a little later.
count() {
  local before=-1 now=0
  while ((now != before)); do
    before=$now
    sleep 0.5
    now=$(grep --count "/cleanup\[.*message-id=" "$dir/log/mail.log" || true)
  done
  echo "$now"
}

ca=$(awk '{ printf "%s\\n", $0 }' "$dir/etc/ca.pem")
echo "{\"port\": $port, \"echo\": 0, \"ca\": \"$ca\"}"
while read -r _; do
  echo "{\"mails\": $(count), \"connections\": 0, \"turns\": 0, \"records_in\": 0}"
done
