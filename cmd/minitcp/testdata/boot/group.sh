# Runs boot.sh in namespaces and in a control group of its own, and removes the group: group.sh NAME MOUNTPOINT ROOT SHARED
#
# systemd makes groups below its own, which stay when it has ended.
set -eu
name=$1 groups=$2
shift 2

mount -t cgroup2 cgroup2 "$groups"
mkdir "$groups/$name"
echo $$ >"$groups/$name/cgroup.procs"
unshare --pid --fork --kill-child --mount --net --uts --ipc --cgroup sh testdata/boot/boot.sh "$@" || true # as process 1 has powered off
echo $$ >"$groups/cgroup.procs"
find "$groups/$name" -depth -type d -exec rmdir {} +
