package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"minitcp/conn/conntest"
	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/pcap"
)

// maxRecords is the number of failed scenarios that are recorded.
const maxRecords = 10

// recorder records failed scenarios in a directory.
type recorder struct {
	dir  string // "" until the first, unless the user has named one
	left int    // number of scenarios that it still records
}

// record plays a scenario again, and writes its ladder to seed-N.txt and its packets to seed-N.pcapng. It returns a
// line with the names of the files, or with the error. It returns "" after maxRecords scenarios.
func (r *recorder) record(s conntest.Scenario) string {
	if r.left == 0 {
		return ""
	}
	r.left--
	if err := r.makeDir(); err != nil {
		return fmt.Sprintf("no record: %v\n", err)
	}
	name := filepath.Join(r.dir, fmt.Sprintf("seed-%d", s.Seed))
	if err := errors.Join(recordLadder(s, name+".txt"), recordPackets(s, name+".pcapng")); err != nil {
		return fmt.Sprintf("the record is incomplete: %v\n", err)
	}
	return fmt.Sprintf("recorded in %s.txt and %[1]s.pcapng\n", name)
}

func (r *recorder) makeDir() (err error) {
	if r.dir == "" {
		r.dir, err = os.MkdirTemp("", "minitcp-simulate-")
		return err
	}
	return os.MkdirAll(r.dir, 0o700)
}

// recordLadder plays a scenario and writes its ladder to a file.
func recordLadder(s conntest.Scenario, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	caught(func(s conntest.Scenario) (int, error) { return draw(s, f), nil }, s) // the caller has reported the broken rule
	return f.Close()
}

// maxCapture is the memory in bytes for the packets of a scenario that are not yet in the file.
const maxCapture = 1 << 30

// recordPackets plays a scenario and writes its packets to a file, as seen from the ends that dial.
func recordPackets(s conntest.Scenario, name string) error {
	c, err := pcap.Create(pcap.Config{Path: name, Interface: "a", Queue: maxCapture})
	if err != nil {
		return err
	}
	ends := [2]netip.Addr{here, there}
	if s.Header == wire.IPv6HeaderLen {
		ends = [2]netip.Addr{here6, there6}
	}
	b := make([]byte, stack.MaxFrame)
	play := func(s conntest.Scenario) (int, error) {
		return s.Run(func(flow int, v *conntest.Event) {
			if leaves := v.From.Name == "a"; leaves != v.Arrived && (leaves || v.Lost == "") {
				n := putFrame(b, ends, flow, v)
				c.Tap(&stack.Frame{Time: time.Duration(v.Now), Outgoing: leaves, Parts: [][]byte{b[:n]}, State: v.Before})
			}
		})
	}
	caught(play, s)
	return c.Close()
}

// putFrame writes the segment of an event to b, as a device has it, and returns its length.
func putFrame(b []byte, ends [2]netip.Addr, flow int, v *conntest.Event) int {
	header, ip := v.Segment.TCP, wire.IP{Src: ends[0], Dst: ends[1], Protocol: wire.ProtocolTCP, HopLimit: 64}
	header.SrcPort, header.DstPort = uint16(firstPort+flow), servicePort
	if v.From.Name != "a" {
		ip.Src, ip.Dst = ip.Dst, ip.Src
		header.SrcPort, header.DstPort = header.DstPort, header.SrcPort
	}
	ip.SetECN(v.Segment.ECN)
	length := 20 + header.Options.Len() + len(v.Segment.Data)
	tcp := wire.VirtioHeaderLen + wire.PutIP(b[wire.VirtioHeaderLen:], &ip, length)
	data := tcp + wire.PutTCP(b[tcp:], &header)
	n := data + copy(b[data:], v.Segment.Data)
	sum := wire.Fold(uint32(wire.PseudoHeaderSum(ip.Src, ip.Dst, wire.ProtocolTCP, length)))
	binary.BigEndian.PutUint16(b[tcp+wire.TCPChecksumOffset:], sum)
	h := wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum, ChecksumStart: uint16(tcp - wire.VirtioHeaderLen), ChecksumOffset: wire.TCPChecksumOffset}
	if size := v.Segment.SegmentSize; size > 0 && size < len(v.Segment.Data) {
		h.GSOType, h.GSOSize, h.HeaderLen = wire.GSOTCPv4, uint16(size), uint16(data-wire.VirtioHeaderLen)
		if !ip.Is4() {
			h.GSOType = wire.GSOTCPv6
		}
	}
	wire.PutVirtio(b, &h)
	return n
}
