package pcap

import (
	"bufio"
	"runtime"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"minitcp/conn/wire"
)

// writer writes packets to files with one section each. A section has a section header, the interface, packets, and
// interface statistics (draft-ietf-opsawg-pcapng).
type writer struct {
	cfg    *Config
	counts func() Counts
	began  time.Time

	file    rotation
	out     *bufio.Writer
	section *pcapgo.NgWriter
	packets int // number in the current file

	cutter cutter
	lost   uint64 // number of frames lost before the last packet
}

// bufferSize is the size in bytes of the write buffer.
const bufferSize = 64 << 10

// statisticsSize is the length in bytes of the interface statistics block that complete writes: its frame, four options
// of 8 bytes, and their end.
const statisticsSize = 24 + 4*(4+8) + 4

func newWriter(cfg *Config, counts func() Counts) (*writer, error) {
	w := &writer{cfg: cfg, counts: counts, began: time.Now(), file: rotation{path: cfg.Path, files: cfg.Files}}
	to := cfg.Output
	if to == nil {
		if err := w.file.create(); err != nil {
			return nil, err
		}
		to = &w.file
	}
	w.out = bufio.NewWriterSize(to, bufferSize)
	err := w.begin()
	if err == nil && cfg.MaxSize > 0 {
		err = w.file.clear()
	}
	if err != nil {
		w.file.close()
		return nil, err
	}
	return w, nil
}

// begin writes the section header and the interface.
func (w *writer) begin() (err error) {
	w.packets = 0
	w.section, err = pcapgo.NewNgWriterInterface(w.out, // used without another buffer
		pcapgo.NgInterface{
			Name:     w.cfg.Interface,
			Filter:   w.cfg.Filter.String(),
			OS:       runtime.GOOS,
			LinkType: layers.LinkTypeRaw,
		},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{
			Application: "minitcp",
			Hardware:    runtime.GOARCH,
			OS:          runtime.GOOS,
		}})
	if err != nil {
		return err
	}
	return w.flush()
}

// write writes a frame as one packet, or as its segments.
func (w *writer) write(p *packet) error {
	var h wire.VirtioHeader
	if wire.ParseVirtio(p.frame, &h) != nil || len(p.frame) == wire.VirtioHeaderLen {
		return nil // not a packet
	}
	options := pcapgo.NgPacketOptions{Comments: []string{stateComment(p.state)}, Flags: p.direction()}
	if missing := p.lost - w.lost; p.lost > w.lost {
		options.DropCount = &missing
		w.lost = p.lost
	}
	packet := p.frame[wire.VirtioHeaderLen:]
	n := w.cutter.load(p.frame, &h)
	if n == 1 || w.cfg.Superframes == Whole {
		if n > 1 {
			options.Comments = append(options.Comments, wholeComment(n, w.cutter.size))
		}
		fillChecksum(packet, &h)
		return w.writePacket(p.time, packet, options)
	}
	state := options.Comments
	for i := range n {
		options.Comments = append(state[:1:1], cutComment(i, n))
		if err := w.writePacket(p.time, w.cutter.segment(i), options); err != nil {
			return err
		}
		options.DropCount = nil // only on the first segment
	}
	return nil
}

// writePacket writes an IP packet. It begins the next file if the current one has no room for the packet.
func (w *writer) writePacket(at int64, packet []byte, options pcapgo.NgPacketOptions) error {
	size := w.file.size + int64(w.out.Buffered()) + blockSize(packet, &options) + statisticsSize
	if w.cfg.MaxSize > 0 && size > w.cfg.MaxSize && w.packets > 0 {
		if err := w.complete(); err != nil {
			return err
		}
		if err := w.file.next(); err != nil {
			return err
		}
		if err := w.begin(); err != nil {
			return err
		}
	}
	w.packets++
	info := gopacket.CaptureInfo{Timestamp: time.Unix(0, at), CaptureLength: len(packet), Length: len(packet)}
	return w.section.WritePacketWithOptions(info, packet, options)
}

// blockSize returns the length in bytes of a packet's enhanced packet block, which always has comments and flags.
func blockSize(packet []byte, options *pcapgo.NgPacketOptions) int64 {
	size := 32 + padded(len(packet)) + 4 + 4 // including flags
	for _, comment := range options.Comments {
		size += 4 + padded(len(comment))
	}
	if options.DropCount != nil {
		size += 4 + 8
	}
	return int64(size + 4) // including the end of the options
}

// padded returns n rounded up to a multiple of 4. All lengths in a pcapng file are padded.
func padded(n int) int { return (n + 3) &^ 3 }

// complete writes the interface statistics, which count from the start of the capture.
func (w *writer) complete() error {
	n, now := w.counts(), time.Now()
	err := w.section.WriteInterfaceStats(0, pcapgo.NgInterfaceStatistics{
		LastUpdate:      now,
		StartTime:       w.began,
		EndTime:         now,
		PacketsReceived: n.Seen,
		PacketsDropped:  n.Lost,
	})
	if err != nil {
		return err
	}
	return w.flush()
}

func (w *writer) flush() error { return w.out.Flush() }

func (w *writer) close() error { return w.file.close() }
