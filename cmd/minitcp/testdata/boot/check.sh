# Writes what systemd has made of the units, a line "NAME: VALUE" each.
daemons="minitcp minitcp-gateway"

property() { systemctl show -p "$1" --value "$2"; }

echo() { printf '%s\n' "$*"; }

talk() { printf 'hello\n' | nc.openbsd -N -w 10 10.77.0.2 7; }

for unit in $daemons; do
  pid=$(property MainPID $unit)
  echo "$unit: $(property ActiveState $unit)"
  echo "$unit user: $(ps -o uid= -p "$pid" | awk '{ print $1 == 0 ? "root" : "its own" }')"
  echo "$unit capabilities: $(awk '/^Cap(Prm|Eff|Amb)/ { print $2 }' /proc/"$pid"/status | sort -u)"
done
echo "devices: $(ip -o link show type tun | wc -l)"
echo "echo: $(talk)"

before=$(property MainPID minitcp)
kill -9 "$before"
for _ in $(seq 100); do # at most 10 s
  after=$(property MainPID minitcp)
  [ "$(property ActiveState minitcp)" = active ] && [ "$after" != "$before" ] && break
  sleep 0.1
done
echo "after SIGKILL: $(property ActiveState minitcp), $(property NRestarts minitcp) restart"
echo "echo after SIGKILL: $(talk)"

systemctl stop $daemons
for unit in $daemons; do
  echo "$unit after stop: $(property ActiveState $unit), $(property Result $unit)"
done
echo "devices after stop: $(ip -o link show type tun | wc -l)"

printf 'serve:\n  listen: [80=nothing]\n' >/etc/minitcp.yaml
systemctl start minitcp 2>/dev/null
echo "minitcp with a wrong configuration: $(property ActiveState minitcp), $(property NRestarts minitcp) restarts"
