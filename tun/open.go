//go:build linux

package tun

import (
	"errors"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

const cloneDevice = "/dev/net/tun"

// offloads are those that the kernel may leave to the reader of the device: transport checksums, and the segmentation
// of TCP superframes, including those that begin with CWR. offloadsUDP adds the segmentation of UDP (TUN_F_USO4,
// TUN_F_USO6), which Linux has since 6.2. A kernel that leaves it to the reader also takes such superframes.
const (
	offloads    = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	offloadsUDP = offloads | 0x20 | 0x40
)

// setOffloads calls set with all offloads, and without those of UDP if the kernel does not know them. It reports
// whether UDP's are set.
func setOffloads(set func(offloads int) error) (udp bool, err error) {
	err = set(offloadsUDP)
	if errors.Is(err, unix.EINVAL) {
		return false, set(offloads)
	}
	return err == nil, err
}

// Open makes a TUN, configures it, and brings it up. The kernel removes the device, its addresses and its routes when
// it is closed, when the process ends, or when Open fails. Open needs CAP_NET_ADMIN in the namespace, and access to
// /dev/net/tun. Its errors are of type [*Error].
func Open(cfg Config) (*Device, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	var d *Device
	err := cfg.Namespace.Do(func() (err error) {
		d, err = open(&cfg)
		return err
	})
	return d, err
}

// open opens the device on a thread in its namespace. The configuration must have been checked.
func open(cfg *Config) (*Device, error) {
	d := &Device{name: cfg.Name, mtu: cfg.MTU, maxFrame: usualFrame, near: nearOf(cfg.HostAddresses)}
	err := d.addQueues(cloneDevice, cfg)
	if err == nil {
		err = d.configure(cfg)
	}
	if err == nil && d.maxFrame > usualFrame && !d.queues[0].accepts(d.maxFrame) {
		d.maxFrame = usualFrame
	}
	if err != nil {
		d.closeQueues() // removes the device, which exists as long as its files
		return nil, err
	}
	return d, nil
}

// addQueues makes the device, which must not exist, and opens it once for each queue.
func (d *Device) addQueues(path string, cfg *Config) error {
	flags := uint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if cfg.Queues > 1 {
		flags |= unix.IFF_MULTI_QUEUE
	}
	for i := range cfg.Queues {
		f := flags
		if i == 0 {
			f |= unix.IFF_TUN_EXCL
		}
		inner, name, err := attach(path, d.name, f, cfg.Namespace)
		if err != nil {
			return err
		}
		d.name = name
		q, err := newQueue(inner, name)
		if err != nil {
			inner.Close()
			return err
		}
		d.queues = append(d.queues, q)
		if i == 0 {
			q.attached.Store(true)
			continue
		}
		if err := q.set(unix.IFF_DETACH_QUEUE); err != nil { // no frame is lost: the device is still down
			return configureError(name, "cannot detach a queue", err)
		}
	}
	return nil
}

// attach opens a queue of the device of that name in where, the namespace of this thread, and returns the wireguard
// device of it and its final name. With IFF_TUN_EXCL it makes the device.
//
// It replaces the first half of wireguard's CreateTUN, for four reasons. CreateTUN does not set IFF_TUN_EXCL, so it may
// open an existing persistent device, which would outlive this process. It leaves the file open if TUNSETIFF fails. It
// makes devices with one queue only. And it starts two goroutines, which watch for changes and write to the device once
// a second to learn whether it is up; they have no use here.
func attach(path, name string, flags uint16, where *Namespace) (wgtun.Device, string, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", openError(path, err)
	}
	if err := setInterface(fd, name, flags); err != nil {
		unix.Close(fd)
		return nil, "", setInterfaceError(name, where, err)
	}
	// From here on the descriptor belongs to wireguard's os.File, even if the call fails.
	inner, actual, err := wgtun.CreateUnmonitoredTUNFromFD(fd)
	if err != nil {
		return nil, "", &Error{Subject: name, Reason: ErrKernel, Problem: "cannot set the device up", Err: err,
			Advice: "minitcp needs a TUN with TCP segmentation offload, which Linux has since 2.6.27"}
	}
	return inner, actual, nil
}

func setInterface(fd int, name string, flags uint16) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(flags)
	return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
}

func openError(path string, err error) error {
	e := &Error{Subject: path, Err: err}
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		e.Reason, e.Problem = ErrNoDriver, "the kernel's TUN driver is missing"
		e.Advice = "load it with: modprobe tun; for a container, pass the device with: --device /dev/net/tun"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		e.Reason, e.Problem = ErrPermission, "no permission to open it"
		e.Advice = "run as root, or as root permit other users with: chmod 666 " + path
	default:
		e.Reason, e.Problem = ErrKernel, "cannot open it"
	}
	return e
}

func setInterfaceError(name string, where *Namespace, err error) error {
	e := &Error{Subject: name, Err: err}
	switch {
	case errors.Is(err, unix.EBUSY):
		e.Reason, e.Problem = ErrBusy, "a network device of this name exists already"
		e.Advice = "choose another name, or remove it with: " + where.command("ip link delete "+name)
	case errors.Is(err, unix.EPERM):
		e.Reason, e.Problem = ErrPermission, "no permission to make a network device"
		e.Advice = "run as root, or with CAP_NET_ADMIN in this network namespace"
	case errors.Is(err, unix.EINVAL):
		e.Reason, e.Problem = ErrName, "the kernel refuses this name"
		e.Advice = "choose another name"
	default:
		e.Reason, e.Problem = ErrKernel, "cannot make the device"
	}
	return e
}
