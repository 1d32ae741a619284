#!/bin/sh
# Make the pool's file tree and become its process 1. Runs in namespaces of its own
# with the machine's tree still in sight; afterwards nothing of that is left.
#
#   enter.sh ROOTFS STATE CGROUPS [BIND...]
#
# ROOTFS is read only; what the pool writes over it goes to memory. STATE/pool is seen
# as /pool from inside and stays readable for the tests. CGROUPS names the v1
# controllers to mount, e.g. "memory cpuacct freezer". Each BIND is a folder of the
# machine that the pool sees, read only, under the same path.
set -eu
rootfs=$1 state=$2 cgroups=$3
shift 3

mount -n -t tmpfs -o mode=755 pool "$state/mnt"
mkdir "$state/mnt/upper" "$state/mnt/work" "$state/mnt/new"
new=$state/mnt/new
layers=lowerdir=$rootfs,upperdir=$state/mnt/upper,workdir=$state/mnt/work
mount -n -t overlay -o "$layers" pool "$new"
mount -n --bind "$state/pool" "$new/pool"
mount -n --bind "$state/pool/home" "$new/home"
mount -n -t proc proc "$new/proc"
mount -n -t sysfs sysfs "$new/sys"

# A small /dev: nodes are borrowed, for mknod is not allowed everywhere.
mount -n -t tmpfs -o mode=755 dev "$new/dev"
mkdir "$new/dev/pts" "$new/dev/shm"
mount -n -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$new/dev/pts"
mount -n -t tmpfs -o mode=1777 shm "$new/dev/shm"
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
for node in null zero full random urandom tty; do
    : > "$new/dev/$node"
    mount -n --bind "/dev/$node" "$new/dev/$node"
done

# HTCondor looks for cpuacct under the name that a systemd of v1 times gave it.
if [ -n "$cgroups" ]; then
    mount -n -t tmpfs -o mode=755 cgroup "$new/sys/fs/cgroup"
    for controller in $cgroups; do
        case $controller in
            *cpuacct*) folder=cpu,cpuacct ;;
            *) folder=$controller ;;
        esac
        mkdir "$new/sys/fs/cgroup/$folder"
        mount -n -t cgroup -o "$controller" cgroup "$new/sys/fs/cgroup/$folder"
    done
    # So that nobody takes a folder beside them for a cgroup.
    mount -n -o remount,ro "$new/sys/fs/cgroup"
fi

for folder; do
    mkdir -p "$new$folder"
    mount -n --bind "$folder" "$new$folder"
    mount -n -o remount,bind,ro "$new$folder"
done
# Jobs' users must get through to what was bound below it.
chmod 755 "$new/root"

mkdir "$new/.old"
cd "$new"
pivot_root . .old
exec chroot . /bin/sh -c \
    'umount -l /.old && rmdir /.old && exec python3 /pool/.code/init.py'
