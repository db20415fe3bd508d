# Starts systemd as process 1 of the namespaces that the caller has made: boot.sh ROOT SHARED
#
# The file system consists of this host's /usr and of empty directories. SHARED has minitcp, its units, its configuration
# and check.sh. It is /srv in the new file system.
set -eu
root=$1 shared=$2

mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir usr etc proc sys dev run tmp var root srv old
mount --rbind /usr usr
mount -o remount,bind,ro usr
for name in bin sbin lib lib64; do
  [ ! -e /usr/$name ] || ln -s usr/$name $name
done
mount -t tmpfs -o mode=755 tmpfs usr/local
mkdir usr/local/bin
mount --bind "$shared" srv
cp srv/minitcp usr/local/bin/minitcp

cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache etc/
[ ! -e /etc/alternatives ] || cp -a /etc/alternatives etc/
echo minitcp-test >etc/hostname
echo 0123456789abcdef0123456789abcdef >etc/machine-id
install -m 600 srv/minitcp.yaml etc/minitcp.yaml
mkdir -p etc/systemd/system/check.target.wants
cp srv/*.service srv/check.target etc/systemd/system/
for unit in srv/*.service; do
  ln -s /etc/systemd/system/"${unit#srv/}" etc/systemd/system/check.target.wants/
done
ln -s /etc/systemd/system/check.target etc/systemd/system/default.target

mount -t proc proc proc
mount --bind proc/sys proc/sys # settings that no namespace has stay as they are
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
# The nodes are new: systemd changes the modes of some, which must not be those of this host.
device() { mknod -m 666 dev/"$1" c "$2" "$3"; }
mkdir dev/net dev/shm dev/pts
device null 1 3
device zero 1 5
device full 1 7
device random 1 8
device urandom 1 9
device console 1 3
device net/tun 10 200 # the mode is that of udev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp

pivot_root . old
umount -l /old
mount --make-rshared / # a unit's credentials are mounts
export container=test PATH=/usr/local/bin:/usr/sbin:/usr/bin
exec setpriv --bounding-set -sys_module,-sys_time,-sys_rawio,-syslog --inh-caps -sys_module,-sys_time,-sys_rawio,-syslog \
  /lib/systemd/systemd --system --log-target=console </dev/null >/srv/systemd.log 2>&1
