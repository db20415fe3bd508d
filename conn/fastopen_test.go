package conn

import (
	"io"
	"strings"
	"testing"
	"time"

	"minitcp/conn/fastopen"
	"minitcp/conn/wire"
)

var (
	testCookie    = wire.FastOpen{Kind: wire.FastOpenStandard, Len: 8, Cookie: [16]byte{1, 2, 3, 4, 5, 6, 7, 8}}
	freshCookie   = wire.FastOpen{Kind: wire.FastOpenStandard, Len: 8, Cookie: [16]byte{8, 7, 6, 5, 4, 3, 2, 1}}
	cookieRequest = wire.FastOpen{Kind: wire.FastOpenStandard}
)

// synOf returns a SYN with a Fast Open option and data.
func synOf(f wire.FastOpen, data string) *Segment {
	return &Segment{TCP: wire.TCP{Seq: testIRS, Flags: wire.SYN, Window: 65535, Options: wire.Options{MSS: 1460, FastOpen: f}}, Data: []byte(data)}
}

// fastOpened returns a connection that a SYN with a valid cookie and data has opened, before its SYN-ACK.
func fastOpened(t *testing.T, cfg Config, data string) *endpoint {
	o := newEndpoint(t, cfg)
	s := synOf(testCookie, data)
	o.c = NewHandshake(o.now, &o.cfg, testOpen(), &s.TCP).FastOpen(o.now, s, wire.FastOpen{})
	o.check()
	return o
}

// fastDial returns an active open with an offer.
func fastDial(t *testing.T, cfg Config, offer fastopen.Offer) *endpoint {
	o := newEndpoint(t, cfg)
	o.c = DialFastOpen(o.now, &o.cfg, testOpen(), offer)
	o.check()
	return o
}

var known = fastopen.Offer{Option: testCookie, MSS: 1460}

// fastSent returns an active open whose SYN with a cookie and data has left.
func fastSent(t *testing.T, data string) *endpoint {
	t.Helper()
	o := fastDial(t, Config{}, known)
	o.nothing()
	o.write(data)
	o.want(segment{flags: wire.SYN, data: data})
	if got := o.last.TCP.Options.FastOpen; got != testCookie {
		t.Fatalf("the SYN has %+v, want the cookie", got)
	}
	return o
}

func (o *endpoint) report(want fastopen.Report) {
	o.t.Helper()
	if got := o.c.ReportFastOpen(); got != want || o.c.FastOpenNews() {
		o.t.Errorf("report %+v, want %+v", got, want)
	}
}

func (o *endpoint) info(synData bool, failure fastopen.Failure) {
	o.t.Helper()
	if i := o.c.Info(o.now); i.SYNData != synData || i.FastOpenFailure != failure {
		o.t.Errorf("Info has SYNData %v and the failure %v, want %v and %v", i.SYNData, i.FastOpenFailure, synData, failure)
	}
}

// The data of a SYN with a valid cookie is read, and the response leaves, before the ACK of the SYN-ACK.
func TestFastOpenPassive(t *testing.T) {
	o := fastOpened(t, Config{}, "request")
	o.read("request", nil)
	o.write("response")
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	o.want(segment{flags: wire.ACK, seq: 1, ack: 8, data: "response"})
	o.nothing()
	o.state(SynReceived)
	o.info(true, fastopen.NoFailure)
	o.in(segment{flags: wire.ACK, seq: 8, ack: 9})
	o.state(Established)
	o.nothing()
	if i := o.c.Info(o.now); i.Received != 7 || i.Acknowledged != 8 || i.Retransmitted != 0 || i.DataSegmentsReceived != 1 {
		t.Errorf("%+v", i.Counts)
	}
	o.in(segment{flags: wire.ACK, seq: 8, ack: 9, data: "more"})
	o.read("more", nil)
}

// Before the ACK of the SYN-ACK, the initial window limits the data, and only the SYN-ACK is sent again, without the
// cookie. Data that was lost is sent again after the ACK.
func TestFastOpenPassiveLoss(t *testing.T) {
	o := newEndpoint(t, Config{})
	s := synOf(testCookie, "request")
	o.c = NewHandshake(o.now, &o.cfg, testOpen(), &s.TCP).FastOpen(o.now, s, freshCookie)
	o.write(repeat(20 * 1460))
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	if got := o.last.TCP.Options.FastOpen; got != freshCookie {
		t.Errorf("the SYN-ACK has %+v, want the fresh cookie", got)
	}
	for n := range int64(10) {
		o.want(segment{flags: wire.ACK, seq: 1 + 1460*n, ack: 8, data: repeat(1460)})
	}
	o.nothing()
	o.wait(time.Second)
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	if got := o.last.TCP.Options.FastOpen; got != (wire.FastOpen{}) {
		t.Errorf("the retransmitted SYN-ACK has %+v", got)
	}
	o.nothing()
	if v := o.c.Receive(o.now, synOf(wire.FastOpen{}, "")); v != VerdictDuplicate { // the client's retransmission
		t.Errorf("the SYN again: %v", v)
	}
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	o.nothing()
	o.in(segment{flags: wire.ACK, seq: 8, ack: 1})
	o.state(Established)
	o.wait(3 * time.Second)
	o.want(segment{flags: wire.ACK, seq: 1, ack: 8, data: repeat(1460)})
}

// A SYN-ACK without an answer is sent as often as that of a Handshake. Then the connection ends.
func TestFastOpenPassiveUnanswered(t *testing.T) {
	o := fastOpened(t, Config{}, "request")
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	for range maxSYNACKRetransmits {
		for o.c.timeouts == 0 || !o.c.active.synDue {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
		}
		o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	}
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.state(Closed)
	if o.c.Err() != ErrTimeout || o.now != 1e9+63e9 {
		t.Errorf("%v after %v, want a timeout after 63 s", o.c.Err(), o.now.Sub(1e9))
	}
}

// A SYN with a cookie and without data opens the connection, too: a server that speaks first does so at once.
func TestFastOpenPassiveWithoutData(t *testing.T) {
	o := fastOpened(t, Config{}, "")
	o.write("banner")
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 1})
	o.want(segment{flags: wire.ACK, seq: 1, ack: 1, data: "banner"})
	o.info(false, fastopen.NoFailure)
	o.in(segment{flags: wire.ACK, seq: 1, ack: 7})
	o.state(Established)
}

// Data beyond the window of the SYN-ACK is not taken. The SYN-ACK offers the rest of it.
func TestFastOpenPassiveWindow(t *testing.T) {
	o := fastOpened(t, Config{ReceiveBuffer: 2048}, repeat(3000))
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 2049})
	if o.last.TCP.Window != 0 {
		t.Errorf("window %d, want 0", o.last.TCP.Window)
	}
	o = fastOpened(t, Config{ReceiveBuffer: 2048}, repeat(2000))
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 2001})
	if o.last.TCP.Window != 48 {
		t.Errorf("window %d, want 48", o.last.TCP.Window)
	}
}

// A server that closes at once sends its FIN behind the response. All states follow with the ACK.
func TestFastOpenPassiveClose(t *testing.T) {
	o := fastOpened(t, Config{}, "request")
	o.read("request", nil)
	o.write("response")
	o.c.Close(o.now, Linger{})
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	o.want(segment{flags: wire.ACK | wire.FIN, seq: 1, ack: 8, data: "response"})
	o.state(SynReceived)
	o.in(segment{flags: wire.ACK, seq: 8, ack: 10})
	o.state(FinWait2)
	o.in(segment{flags: wire.ACK | wire.FIN, seq: 8, ack: 10})
	o.state(TimeWait)
}

// A RST ends the connection with the error of an accepted one, if its number is right. ICMP errors do not end it.
func TestFastOpenPassiveReset(t *testing.T) {
	o := fastOpened(t, Config{}, "request")
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: testISS})
	o.state(SynReceived)
	if v := o.in(segment{flags: wire.RST, seq: 9}); v != VerdictChallenged {
		t.Errorf("a RST beside RCV.NXT: %v", v)
	}
	if v := o.in(segment{flags: wire.RST, seq: 8}); v != VerdictReset || o.c.Err() != ErrReset {
		t.Errorf("a RST: %v, %v", v, o.c.Err())
	}
}

// The child of a SYN with data drops segments with older timestamps than the SYN's (PAWS).
func TestFastOpenPassivePAWS(t *testing.T) {
	o := newEndpoint(t, Config{MaxRTO: time.Minute})
	s := synOf(testCookie, "request")
	s.TCP.Options.HasTimestamps, s.TCP.Options.TSVal = true, 5000
	o.c = NewHandshake(o.now, &o.cfg, testOpen(), &s.TCP).FastOpen(o.now, s, wire.FastOpen{})
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	old := wire.Options{HasTimestamps: true, TSVal: 4999, TSEcr: o.last.TCP.Options.TSVal}
	if v := o.in(segment{flags: wire.ACK, seq: 8, ack: 1, data: "old", options: old}); v != VerdictOldTimestamp {
		t.Errorf("an old timestamp: %v", v)
	}
	o.want(segment{flags: wire.ACK, seq: 1, ack: 8})
	old.TSVal = 5001
	if v := o.in(segment{flags: wire.ACK, seq: 8, ack: 1, data: "new", options: old}); v != VerdictAccepted {
		t.Errorf("a newer timestamp: %v", v)
	}
	o.state(Established)
}

// A SYN-ACK with all options and a cookie has room for them: the option of AccECN is shorter (RFC 9768 3.2.3.3).
func TestFastOpenBesideOptions(t *testing.T) {
	cfg := Config{ECN: ECNPassive}.WithDefaults()
	s := synOf(testCookie, "request")
	s.TCP.Flags |= wire.AE | wire.ECE | wire.CWR
	s.TCP.Options.HasTimestamps, s.TCP.Options.TSVal = true, 5000
	s.TCP.Options.SACKPermitted, s.TCP.Options.HasWindowScale, s.TCP.Options.WindowScale = true, true, 7
	for name, f := range map[string]func(h *Handshake) endpointOf{
		"a connection": func(h *Handshake) endpointOf { return h.FastOpen(1e9, s, freshCookie) },
		"a handshake":  func(h *Handshake) endpointOf { h.OfferCookie(freshCookie); return h },
	} {
		var out Outgoing
		m := f(NewHandshake(1e9, &cfg, testOpen(), &s.TCP))
		if !m.Transmit(1e9, 1, &out) || out.TCP.Options.FastOpen != freshCookie || out.TCP.Options.Len() > 40 {
			t.Errorf("%s: SYN-ACK with %d bytes of options, %+v", name, out.TCP.Options.Len(), out.TCP.Options)
		}
		b := make([]byte, 60)
		var back wire.TCP
		if _, err := wire.ParseTCP(b[:wire.PutTCP(b, &out.TCP)], &back); err != nil || back.Options != out.TCP.Options {
			t.Errorf("%s: %+v was read as %+v, %v", name, out.TCP.Options, back.Options, err)
		}
	}
}

// endpointOf is a Handshake or a Conn.
type endpointOf interface {
	Transmit(Time, int, *Outgoing) bool
}

// The cookie for a client that has requested one is in the first SYN-ACK only.
func TestFastOpenOfferCookie(t *testing.T) {
	o := newEndpoint(t, Config{})
	s := synOf(cookieRequest, "")
	h := NewHandshake(o.now, &o.cfg, testOpen(), &s.TCP)
	h.OfferCookie(freshCookie)
	var out Outgoing
	if !h.Transmit(o.now, 1, &out) || out.TCP.Options.FastOpen != freshCookie {
		t.Errorf("SYN-ACK with %+v, want the cookie", out.TCP.Options.FastOpen)
	}
	o.now = h.Deadline()
	h.Advance(o.now)
	if !h.Transmit(o.now, 1, &out) || out.TCP.Options.FastOpen != (wire.FastOpen{}) {
		t.Errorf("SYN-ACK again with %+v, want none", out.TCP.Options.FastOpen)
	}
}

// Without a cookie the SYN is sent at once and requests one. The SYN-ACK's cookie and MSS are reported.
func TestFastOpenRequest(t *testing.T) {
	o := fastDial(t, Config{}, fastopen.Offer{Option: cookieRequest})
	o.write("later")
	o.want(segment{flags: wire.SYN})
	if got := o.last.TCP.Options.FastOpen; got != cookieRequest {
		t.Errorf("the SYN has %+v, want a request", got)
	}
	o.in(segment{flags: wire.SYN | wire.ACK, ack: 1, options: wire.Options{MSS: 1400, FastOpen: freshCookie}})
	o.want(segment{flags: wire.ACK, seq: 1, ack: 1, data: "later"})
	o.info(false, fastopen.NoCookie)
	o.report(fastopen.Report{Learned: fastopen.Offer{Option: freshCookie, MSS: 1400}})
}

// A cookie that was not asked for is ignored (RFC 7413 4.1.1), and a Dial without Fast Open has no option.
func TestFastOpenUnasked(t *testing.T) {
	for _, o := range []*endpoint{dialEndpoint(t, Config{}), fastDial(t, Config{}, fastopen.Offer{})} {
		o.want(segment{flags: wire.SYN})
		if got := o.last.TCP.Options.FastOpen; got != (wire.FastOpen{}) {
			t.Errorf("the SYN has %+v", got)
		}
		o.in(segment{flags: wire.SYN | wire.ACK, ack: 1, options: wire.Options{FastOpen: freshCookie}})
		o.want(segment{flags: wire.ACK, seq: 1, ack: 1})
		o.report(fastopen.Report{})
	}
}

// The SYN waits for the first Write, which is in it. Data that the SYN-ACK acknowledges is not sent again.
func TestFastOpenActive(t *testing.T) {
	o := fastDial(t, Config{}, known)
	o.nothing()
	if !o.c.AwaitsData() || o.c.Ready()&ReadyWrite == 0 {
		t.Errorf("awaits data %v, ready for %v", o.c.AwaitsData(), o.c.Ready())
	}
	o.wait(49 * ms)
	o.nothing()
	o = fastSent(t, "request")
	o.nothing()
	o.in(segment{flags: wire.SYN | wire.ACK, ack: 8, options: wire.Options{MSS: 1400}})
	o.want(segment{flags: wire.ACK, seq: 8, ack: 1})
	o.nothing()
	o.state(Established)
	o.info(true, fastopen.NoFailure)
	o.report(fastopen.Report{Accepted: true, Learned: fastopen.Offer{Option: testCookie, MSS: 1400}})
	if i := o.c.Info(o.now); i.Sent != 7 || i.Resent != 0 || i.Acknowledged != 7 || i.Delivered != 7 || i.CongestionWindow != 14000 {
		t.Errorf("%+v", i)
	}
}

// If the SYN-ACK acknowledges the SYN only, its data is sent again at once, before a timeout and without a reduction of
// the window. A new cookie replaces the old one.
func TestFastOpenRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		option wire.FastOpen
		want   fastopen.Report
	}{
		{"an old cookie", freshCookie, fastopen.Report{Refused: true, Learned: fastopen.Offer{Option: freshCookie, MSS: 1460}}},
		{"no Fast Open", wire.FastOpen{}, fastopen.Report{Refused: true, Failed: true}},
	} {
		o := fastSent(t, "request")
		o.in(segment{flags: wire.SYN | wire.ACK, ack: 1, options: wire.Options{MSS: 1460, FastOpen: c.option}})
		o.want(segment{flags: wire.ACK, seq: 1, ack: 1, data: "request"})
		o.info(false, fastopen.DataNotAcked)
		i := o.c.Info(o.now)
		if i.CongestionWindow != 14600 || i.CAState != CAOpen || i.Lost != 1 || i.Timeouts != 0 || i.Sent != 7 || i.Resent != 7 || i.Retransmitted != 1 {
			t.Errorf("%s: %+v", c.name, i)
		}
		o.report(c.want)
		o.in(segment{flags: wire.ACK, seq: 1, ack: 8})
		o.nothing()
	}
}

// The SYN is sent again without the option and without data. The ACK may nevertheless cover the data of the first SYN.
func TestFastOpenSYNRetransmitted(t *testing.T) {
	for _, ack := range []int64{1, 8} {
		o := fastSent(t, "request")
		o.wait(time.Second)
		o.want(segment{flags: wire.SYN})
		if got := o.last.TCP.Options.FastOpen; got != (wire.FastOpen{}) {
			t.Errorf("the SYN again has %+v", got)
		}
		o.in(segment{flags: wire.SYN | wire.ACK, ack: ack, options: wire.Options{MSS: 1460}})
		if ack == 8 {
			o.want(segment{flags: wire.ACK, seq: 8, ack: 1})
			o.info(true, fastopen.NoFailure)
			o.report(fastopen.Report{Accepted: true, Learned: known})
			continue
		}
		o.want(segment{flags: wire.ACK, seq: 1, ack: 1, data: "request"})
		o.info(false, fastopen.SYNRetransmitted)
		o.report(fastopen.Report{Refused: true, Failed: true})
	}
}

// The SYN carries the data that fits beside 40 bytes of options into the MSS of the cookie. The rest follows after the
// handshake, and data that was acknowledged in part continues there.
func TestFastOpenMoreThanOneSegment(t *testing.T) {
	const mss, options = 1000, 40
	data := strings.Repeat("0123456789", 250)
	for _, acked := range []int{mss - options, 500, 0} {
		o := fastDial(t, Config{}, fastopen.Offer{Option: testCookie, MSS: mss})
		o.write(data)
		o.want(segment{flags: wire.SYN, data: data[:mss-options]})
		o.nothing()
		at := 1 + int64(acked)
		o.in(segment{flags: wire.SYN | wire.ACK, ack: at, options: wire.Options{MSS: 2000}})
		rest := data[acked:]
		for len(rest) > 0 {
			n := min(len(rest), 1460)
			o.want(segment{flags: wire.ACK, seq: at, ack: 1, data: rest[:n]})
			at, rest = at+int64(n), rest[n:]
		}
		o.nothing()
		if i := o.c.Info(o.now); i.Sent != 2500 || int(i.Resent) != mss-options-acked {
			t.Errorf("%d acknowledged: sent %d, again %d", acked, i.Sent, i.Resent)
		}
	}
}

// An ACK beyond the data of the SYN is answered with a RST, as one beyond a SYN without data.
func TestFastOpenActiveBadACK(t *testing.T) {
	for _, ack := range []int64{0, 9} {
		o := fastSent(t, "request")
		if v := o.in(segment{flags: wire.SYN | wire.ACK, ack: ack}); v != VerdictBadACK {
			t.Errorf("ACK %d: %v", ack, v)
		}
		o.want(segment{flags: wire.RST, seq: ack})
		o.state(SynSent)
	}
}

// While the SYN waits for data, no segment is an answer to it. The SYN of a peer that dials at the same time is taken.
func TestFastOpenBeforeSYN(t *testing.T) {
	o := fastDial(t, Config{}, known)
	for _, s := range []segment{{flags: wire.SYN | wire.ACK, ack: 1}, {flags: wire.RST | wire.ACK, ack: 1}} {
		if v := o.in(s); v != VerdictBadACK {
			t.Errorf("%v: %v, want a bad ACK", s.flags, v)
		}
	}
	o.state(SynSent)
	o.want(segment{flags: wire.RST, seq: 1})
	o.nothing()
	o.in(segment{flags: wire.SYN, options: wire.Options{MSS: 1460}})
	o.state(SynReceived)
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 1})

	o = fastDial(t, Config{ECN: ECNAccurate}, known)
	o.in(segment{flags: wire.SYN | wire.AE | wire.ECE | wire.CWR, options: wire.Options{MSS: 1460}})
	o.c.Abort() // before the SYN-ACK: the RST has no counter of AccECN
	o.want(segment{flags: wire.RST | wire.ACK, ack: 1})
}

// The ACK of a SYN-ACK that reports its codepoint (AccECN) has the sequence number that the server expects, also if the
// server has not accepted the data of the SYN.
func TestFastOpenReflection(t *testing.T) {
	o := fastDial(t, Config{ECN: ECNAccurate}, known)
	o.write("request")
	o.want(segment{flags: wire.SYN | wire.AE | wire.ECE | wire.CWR, data: "request"})
	o.in(segment{flags: wire.SYN | wire.ACK | wire.CWR, ack: 1, options: wire.Options{MSS: 1460}})
	o.want(segment{flags: wire.ACK | wire.CWR, seq: 1, ack: 1})
	o.want(segment{flags: wire.ACK | wire.AE | wire.ECE, seq: 1, ack: 1, data: "request"})
}

// Close after Write delivers the data and then the FIN. Without data nothing is sent.
func TestFastOpenActiveClose(t *testing.T) {
	for _, ack := range []int64{1, 8} {
		o := fastDial(t, Config{}, known)
		o.write("request")
		o.c.Close(o.now, Linger{})
		o.want(segment{flags: wire.SYN, data: "request"})
		o.state(SynSent)
		o.in(segment{flags: wire.SYN | wire.ACK, ack: ack, options: wire.Options{MSS: 1460}})
		o.want(segment{flags: wire.ACK | wire.FIN, seq: ack, ack: 1, data: "request"[ack-1:]})
		o.state(FinWait1)
	}
	o := fastDial(t, Config{}, known)
	o.c.Close(o.now, Linger{})
	o.state(Closed)
	o.nothing()
	o.report(fastopen.Report{})
}

// CloseWrite, and 50 ms without a Write, send the SYN without data. It has the cookie, and the same timeout as others.
func TestFastOpenActiveWithoutData(t *testing.T) {
	emptyWrite := func(o *endpoint) {
		if n, err := o.c.Write(o.now, nil); n != 0 || err != nil {
			t.Errorf("an empty Write returns %d, %v", n, err)
		}
	}
	for _, begin := range []func(o *endpoint){func(o *endpoint) { o.c.CloseWrite() }, func(o *endpoint) { o.wait(50 * ms) }, emptyWrite} {
		o := fastDial(t, Config{}, known)
		begin(o)
		o.want(segment{flags: wire.SYN})
		if got := o.last.TCP.Options.FastOpen; got != testCookie {
			t.Errorf("the SYN has %+v, want the cookie", got)
		}
		if d := o.c.Deadline().Sub(o.now); d != time.Second {
			t.Errorf("the SYN is sent again after %v, want 1 s", d)
		}
		o.in(segment{flags: wire.SYN | wire.ACK, ack: 1, options: wire.Options{MSS: 1460}})
		o.info(false, fastopen.NoFailure)
		o.report(fastopen.Report{})
	}
}

// If the SYNs cross, the SYN-ACK has no data, and the ACK of the peer decides about the data of the SYN.
func TestFastOpenSimultaneous(t *testing.T) {
	for _, ack := range []int64{1, 8} {
		o := fastSent(t, "request")
		o.in(segment{flags: wire.SYN, options: wire.Options{MSS: 1460}})
		o.state(SynReceived)
		o.want(segment{flags: wire.SYN | wire.ACK, ack: 1})
		o.nothing()
		o.in(segment{flags: wire.SYN | wire.ACK, ack: ack, options: wire.Options{MSS: 1460}})
		o.state(Established)
		if ack == 1 {
			o.want(segment{flags: wire.ACK, seq: 1, ack: 1, data: "request"})
			continue
		}
		o.nothing()
		o.info(true, fastopen.NoFailure)
	}
}

// A router that finds the SYN too large for its link makes the client send it again at once, without data. A hard error
// ends the attempt, which counts as a failure of Fast Open.
func TestFastOpenICMP(t *testing.T) {
	o := fastSent(t, repeat(1000))
	o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, Err: ErrHostUnreachable, Seq: testISS, MTU: 700})
	o.want(segment{flags: wire.SYN})
	o.in(segment{flags: wire.SYN | wire.ACK, ack: 1, options: wire.Options{MSS: 1460, FastOpen: freshCookie}})
	o.want(segment{flags: wire.ACK, seq: 1, ack: 1, data: repeat(660)})
	o.info(false, fastopen.SYNRetransmitted)

	o = fastSent(t, "request")
	o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: testISS})
	o.state(Closed)
	o.report(fastopen.Report{Refused: true, Failed: true})
}

// A RST in reply to a SYN with data refuses the connection and is a failure of Fast Open. The end of an attempt by the
// application is none.
func TestFastOpenActiveReset(t *testing.T) {
	o := fastSent(t, "request")
	o.in(segment{flags: wire.RST | wire.ACK, ack: 8})
	o.state(Closed)
	if o.c.Err() != ErrRefused {
		t.Errorf("%v, want %v", o.c.Err(), ErrRefused)
	}
	o.report(fastopen.Report{Refused: true, Failed: true})
	o = fastSent(t, "request")
	o.c.Abort()
	o.report(fastopen.Report{})
}

// A path that loses everything after the handshake is a black hole after three timeouts, as is one that brings a FIN or
// a RST without the data before it. Data that has arrived proves that the path works.
func TestFastOpenBlackHole(t *testing.T) {
	begin := func() *endpoint {
		o := fastSent(t, "request")
		o.in(segment{flags: wire.SYN | wire.ACK, ack: 8, options: wire.Options{MSS: 1460}})
		o.want(segment{flags: wire.ACK, seq: 8, ack: 1})
		o.c.ReportFastOpen()
		return o
	}
	o := begin()
	o.write("lost")
	o.want(segment{flags: wire.ACK, seq: 8, ack: 1, data: "lost"})
	for range 2 {
		o.timeout()
		o.report(fastopen.Report{})
	}
	o.timeout()
	o.report(fastopen.Report{BlackHole: true})

	o = begin()
	o.in(segment{flags: wire.RST, seq: 1000})
	o.report(fastopen.Report{BlackHole: true})

	o = begin()
	o.in(segment{flags: wire.FIN | wire.ACK, seq: 1000, ack: 8})
	o.report(fastopen.Report{})
	o.c.Abort()
	o.report(fastopen.Report{BlackHole: true})

	o = begin()
	o.in(segment{flags: wire.ACK, seq: 1, ack: 8, data: "response"})
	o.in(segment{flags: wire.RST, seq: 1000})
	o.write("lost")
	for range 4 {
		o.timeout()
	}
	o.report(fastopen.Report{})
	o.c.Abort()
	o.report(fastopen.Report{Works: true})
}

// timeout lets the retransmission timer expire.
func (o *endpoint) timeout() {
	o.t.Helper()
	for n := o.c.stats.Timeouts; o.c.stats.Timeouts == n; {
		for o.c.Transmit(o.now, 1, &o.last) {
		}
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.check()
	}
}

// A client that sends its FIN with the ACK of the SYN-ACK has its whole request delivered.
func TestFastOpenFIN(t *testing.T) {
	o := fastOpened(t, Config{}, "request")
	o.want(segment{flags: wire.SYN | wire.ACK, ack: 8})
	o.in(segment{flags: wire.ACK | wire.FIN, seq: 8, ack: 1})
	o.state(CloseWait)
	o.read("request", nil)
	o.read("", io.EOF)
}
