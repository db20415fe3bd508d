package wireguard

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

// Links are the ways in which the ends are joined: two WireGuard devices over UDP of the loopback, and packets passed
// between the ends' devices in memory.
var Links = []string{"encrypted", "memory"}

var clientAddress, serverAddress = netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")

// tunnel is two ends that are joined.
type tunnel struct {
	client, server end
}

// newTunnel returns a tunnel that lasts until the process ends.
func newTunnel(stack, link string) (*tunnel, error) {
	clientDevice, client, err := newEnd(stack, clientAddress)
	if err != nil {
		return nil, err
	}
	serverDevice, server, err := newEnd(stack, serverAddress)
	if err != nil {
		return nil, err
	}
	t := &tunnel{client, server}
	switch link {
	case "memory":
		go pass(clientDevice, serverDevice)
		go pass(serverDevice, clientDevice)
		return t, nil
	case "encrypted":
		return t, encrypt(clientDevice, serverDevice)
	}
	return nil, fmt.Errorf("no link has the name %q", link)
}

// offset is the offset of packets in WireGuard's buffers.
const offset = device.MessageTransportHeaderSize

// pass writes the packets that it reads from one device to the other, until one is closed.
func pass(from, to tun.Device) {
	bufs, sizes := make([][]byte, from.BatchSize()), make([]int, from.BatchSize())
	packets := make([][]byte, len(bufs))
	for i := range bufs {
		bufs[i] = make([]byte, offset+mtu)
	}
	for {
		n, err := from.Read(bufs, sizes, offset)
		if err != nil {
			return
		}
		for i := range n {
			packets[i] = bufs[i][:offset+sizes[i]]
		}
		if _, err := to.Write(packets[:n], offset); errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

// encrypt joins two devices by WireGuard's.
func encrypt(a, b tun.Device) error {
	var wires [2]*device.Device
	var public, endpoints [2]string
	for i, d := range []tun.Device{a, b} {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		public[i] = hex.EncodeToString(key.PublicKey().Bytes())
		wires[i] = device.NewDevice(d, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, ""))
		if err := wires[i].IpcSet("private_key=" + hex.EncodeToString(key.Bytes()) + "\nlisten_port=0\n"); err != nil {
			return err
		}
		if err := wires[i].Up(); err != nil {
			return err
		}
		text, err := wires[i].IpcGet()
		if err != nil {
			return err
		}
		_, port, _ := strings.Cut(text, "listen_port=")
		port, _, _ = strings.Cut(port, "\n")
		endpoints[i] = "127.0.0.1:" + port
	}
	for i, w := range wires {
		if err := w.IpcSet(fmt.Sprintf("public_key=%s\nallowed_ip=0.0.0.0/0\nendpoint=%s\n", public[1-i], endpoints[1-i])); err != nil {
			return err
		}
	}
	return nil
}
