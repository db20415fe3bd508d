//go:build linux

package tun

import (
	"errors"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

const cloneDevice = "/dev/net/tun"

// offloads is what the kernel may leave to us: checksums, and cutting superframes of TCP, those that begin with a CWR
// included. UDP's (USO) is not among it; nothing here could use one.
const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN

// Open makes a TUN, configures it, and brings it up. The device, its addresses and its routes are gone when it is
// closed, when the process ends, or when Open fails. It needs CAP_NET_ADMIN in the namespace, and access to
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

// open does the work of Open on a thread that is in the right namespace.
func open(cfg *Config) (*Device, error) {
	d := &Device{name: cfg.Name, mtu: cfg.MTU, maxFrame: usualFrame}
	err := d.addQueues(cloneDevice, cfg)
	if err == nil {
		err = d.configure(cfg)
	}
	if err == nil && d.maxFrame > usualFrame && !d.queues[0].accepts(d.maxFrame) {
		d.maxFrame = usualFrame
	}
	if err != nil {
		d.closeQueues() // undoes everything: the device lives as long as its files
		return nil, err
	}
	return d, nil
}

// addQueues makes the device, which must not exist, and opens it as often as it is to have queues.
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
		if err := q.set(unix.IFF_DETACH_QUEUE); err != nil { // the device is down: no frame waits
			return configureError(name, "the device's queues cannot be prepared", err)
		}
	}
	return nil
}

// attach opens the device of that name in where, the namespace of this thread, with IFF_TUN_EXCL makes it, and returns wireguard's view of it, with its true
// name.
//
// It does by hand the first half of wireguard's CreateTUN, for four reasons. TUN_EXCL makes sure that the device is
// ours and so ends with us, where CreateTUN would take over a persistent one that somebody else set up. CreateTUN
// leaves the file open when TUNSETIFF fails, and knows one queue only. And its two goroutines, which watch for changes
// and write to the device once a second to learn whether it is up, have no use here.
func attach(path, name string, flags uint16, where *Namespace) (wgtun.Device, string, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", openError(path, err)
	}
	if err := setInterface(fd, name, flags); err != nil {
		unix.Close(fd)
		return nil, "", setInterfaceError(name, where, err)
	}
	// From here on the descriptor belongs to wireguard's os.File, also when this fails.
	inner, actual, err := wgtun.CreateUnmonitoredTUNFromFD(fd)
	if err != nil {
		return nil, "", &Error{Subject: name, Reason: ErrKernel, Problem: "the device cannot be set up", Err: err,
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
		e.Reason, e.Problem = ErrNoDriver, "the kernel's TUN driver is not there"
		e.Advice = "load it with: modprobe tun; in a container, pass the device in with: --device /dev/net/tun"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		e.Reason, e.Problem = ErrPermission, "no right to open it"
		e.Advice = "run as root, or as root permit others with: chmod 666 " + path
	default:
		e.Reason, e.Problem = ErrKernel, "cannot be opened"
	}
	return e
}

func setInterfaceError(name string, where *Namespace, err error) error {
	e := &Error{Subject: name, Err: err}
	switch {
	case errors.Is(err, unix.EBUSY):
		e.Reason, e.Problem = ErrBusy, "there is a network device of this name already"
		e.Advice = "choose another name, or remove it with: " + where.command("ip link delete "+name)
	case errors.Is(err, unix.EPERM):
		e.Reason, e.Problem = ErrPermission, "no right to make a network device"
		e.Advice = "run as root, or with CAP_NET_ADMIN in this network namespace"
	case errors.Is(err, unix.EINVAL):
		e.Reason, e.Problem = ErrName, "the kernel takes no device of this name"
		e.Advice = "choose another name"
	default:
		e.Reason, e.Problem = ErrKernel, "the device cannot be made"
	}
	return e
}
