package pcap

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"minitcp/conn/wire"
)

var (
	ours4, theirs4 = netip.MustParseAddr("10.77.0.2"), netip.MustParseAddr("10.77.0.1")
	ours6, theirs6 = netip.MustParseAddr("fd77::2"), netip.MustParseAddr("fd77::1")
)

// segmentSpec describes a TCP segment or superframe from the peer. Zero addresses and ports mean defaults.
type segmentSpec struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	seq              uint32
	flags            wire.Flags
	id               uint16
	data             int // bytes
	size             int // of the segments of a superframe
	partial          bool
}

// frame returns the frame of the segment, with a complete or a partial checksum.
func (s segmentSpec) frame() []byte {
	if !s.src.IsValid() {
		s.src, s.dst = theirs4, ours4
	}
	if s.srcPort == 0 {
		s.srcPort, s.dstPort = 40000, 80
	}
	ip := wire.IP{Src: s.src, Dst: s.dst, Protocol: wire.ProtocolTCP, HopLimit: 64}
	h := wire.TCP{SrcPort: s.srcPort, DstPort: s.dstPort, Seq: s.seq, Ack: 7, Flags: s.flags, Window: 1000}
	h.Options.HasTimestamps, h.Options.TSVal, h.Options.TSEcr = true, 1, 2
	segment := make([]byte, 20+h.Options.Len()+s.data)
	n := wire.PutTCP(segment, &h)
	for i := range segment[n:] {
		segment[n+i] = byte(i*i>>8 + i)
	}
	b := make([]byte, wire.VirtioHeaderLen+wire.IPv6HeaderLen+len(segment))
	packet := b[wire.VirtioHeaderLen:]
	ipLen := wire.PutIP(packet, &ip, len(segment))
	if s.id != 0 {
		binary.BigEndian.PutUint16(packet[4:], s.id)
		binary.BigEndian.PutUint16(packet[10:], 0)
		binary.BigEndian.PutUint16(packet[10:], wire.ChecksumGather(0, [][]byte{packet[:ipLen]}))
	}
	var v wire.VirtioHeader
	pseudo := wire.PseudoHeaderSum(s.src, s.dst, wire.ProtocolTCP, len(segment))
	if s.partial {
		v.Flags, v.ChecksumStart, v.ChecksumOffset = wire.VirtioNeedsChecksum, uint16(ipLen), 16
		binary.BigEndian.PutUint16(segment[16:], wire.Fold(pseudo))
	} else {
		binary.BigEndian.PutUint16(segment[16:], wire.ChecksumGather(pseudo, [][]byte{segment}))
	}
	if s.size != 0 {
		v.GSOType, v.GSOSize = wire.GSOTCPv4, uint16(s.size)
		if !ip.Is4() {
			v.GSOType = wire.GSOTCPv6
		}
	}
	wire.PutVirtio(b, &v)
	return append(b[:wire.VirtioHeaderLen+ipLen], segment...)
}

// packetFrame returns a frame with a packet of another protocol.
func packetFrame(src, dst netip.Addr, p wire.Protocol, payload []byte) []byte {
	ip := wire.IP{Src: src, Dst: dst, Protocol: p, HopLimit: 64}
	b := make([]byte, wire.VirtioHeaderLen+wire.IPv6HeaderLen)
	n := wire.PutIP(b[wire.VirtioHeaderLen:], &ip, len(payload))
	return append(b[:wire.VirtioHeaderLen+n], payload...)
}

// reading is the contents of a file.
type reading struct {
	section    pcapgo.NgSectionInfo
	device     pcapgo.NgInterface
	statistics []pcapgo.NgInterfaceStatistics
	packets    []read
}

type read struct {
	at      time.Time
	bytes   []byte
	options pcapgo.NgPacketOptions
}

// readFile reads a file, which must end with a complete block.
func readFile(t *testing.T, path string) (f reading) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcapgo.NewNgReader(file, pcapgo.NgReaderOptions{
		ErrorOnMismatchingLinkType: true,
		StatisticsCallback:         func(_ int, s pcapgo.NgInterfaceStatistics) { f.statistics = append(f.statistics, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, info, options, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s, packet %d: %v", path, len(f.packets), err)
		}
		if info.Length != len(b) {
			t.Errorf("packet %d: %d of %d bytes", len(f.packets), len(b), info.Length)
		}
		f.packets = append(f.packets, read{info.Timestamp, b, options})
	}
	f.section = r.SectionInfo()
	f.device, err = r.Interface(0)
	if err != nil || r.NInterfaces() != 1 || f.device.LinkType != layers.LinkTypeRaw {
		t.Fatalf("%d interfaces, link type %v, %v", r.NInterfaces(), f.device.LinkType, err)
	}
	return f
}

// segment checks the checksums of a packet and returns its headers and data.
func (r *read) segment(t *testing.T) (ip wire.IP, tcp wire.TCP, data []byte) {
	t.Helper()
	segment, err := wire.ParseIP(r.bytes, &ip)
	if err != nil {
		t.Fatal(err)
	}
	if !wire.VerifyTCP(&ip, segment) {
		t.Error("TCP's checksum is wrong")
	}
	data, err = wire.ParseTCP(segment, &tcp)
	if err != nil {
		t.Fatal(err)
	}
	if ip.HeaderLen+len(segment) != len(r.bytes) {
		t.Errorf("%d bytes, IP says %d", len(r.bytes), ip.HeaderLen+len(segment))
	}
	return ip, tcp, data
}

// comment returns the comments of a packet.
func (r *read) comment() string {
	s := ""
	for i, c := range r.options.Comments {
		if i > 0 {
			s += "; "
		}
		s += c
	}
	return s
}

func create(t *testing.T, cfg Config) (c *Capture, path string) {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "capture")
	}
	c, err := Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, cfg.Path
}

func closeCapture(t *testing.T, c *Capture) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
