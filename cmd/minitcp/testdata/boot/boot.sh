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
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom; do
  touch dev/$name
  mount --bind /dev/$name dev/$name
done
mkdir dev/net dev/shm dev/pts
mknod -m 666 dev/net/tun c 10 200 # as udev makes it
touch dev/console
mount --bind /dev/null dev/console
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp

pivot_root . old
umount -l /old
mount --make-rshared / # a unit's credentials are mounts
export container=test PATH=/usr/local/bin:/usr/sbin:/usr/bin
exec /lib/systemd/systemd --system --log-target=console </dev/null >/srv/systemd.log 2>&1
