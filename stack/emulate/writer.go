package emulate

import (
	"cmp"

	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/internal/gso"
)

// writer writes packets to a device. If the device takes superframes, it joins packets that are due together and follow
// one another, as receive offload does. A device takes a few superframes much faster than their packets.
type writer struct {
	to     stack.Device
	joiner gso.Joiner
	joined []byte // memory for a superframe; nil if the device takes none
	parts  [1][]byte
}

func newWriter(to stack.Device) *writer {
	w := &writer{to: to}
	if o, ok := to.(stack.Offloader); ok && o.Offloads() {
		w.joined = make([]byte, stack.MaxFrame)
	}
	return w
}

// write writes up to gso.MaxBatch packets, each with a virtio_net_hdr of zeros. It returns the device's first error.
func (w *writer) write(packets [][]byte) (err error) {
	if w.joined == nil {
		for _, p := range packets {
			err = cmp.Or(err, w.frame(p))
		}
		return err
	}
	for i := range w.joiner.Load(packets, wire.VirtioHeaderLen) {
		f := w.joiner.Single(i)
		if f == nil {
			f = w.joined[:w.joiner.Join(i, w.joined)]
		}
		err = cmp.Or(err, w.frame(f))
	}
	w.joiner.Unload()
	return err
}

func (w *writer) frame(f []byte) error {
	w.parts[0] = f
	return w.to.WriteFrame(w.parts[:])
}
