package conn

import (
	"testing"

	"minitcp/conn/wire"
)

// Urgent data is longer than the pointer can express. The pointer is 65535 until the end is near, and exact from there
// on. The receiver's knowledge of the end increases.
//
// Shows: MUST-30, MUST-31, MUST-32, MUST-33, MUST-62.
func TestLongUrgentData(t *testing.T) {
	const n = 200_000
	cfg := modern
	cfg.SendBuffer = 1 << 20
	o := opened(t, cfg, testOpen(), wire.Options{MSS: 1460, HasWindowScale: true, WindowScale: 7})
	p := opened(t, cfg, testOpen(), wire.Options{MSS: 1460, HasWindowScale: true, WindowScale: 7})
	if m, err := o.c.WriteUrgent(o.now, []byte(repeat(n))); m != n || err != nil {
		t.Fatal(m, err)
	}
	o.write("not urgent")
	known := 0
	for arrived := 0; arrived < n; {
		if !o.c.Transmit(o.now, 1, &o.last) {
			o.in(segment{flags: ack, seq: 1, ack: int64(o.c.snd.nxt)})
			continue
		}
		want := min(n-arrived, 65535)
		if h := &o.last.TCP; !h.Flags.Has(wire.URG) || int(h.Urgent) != want {
			t.Fatalf("at byte %d: %v, pointer %d, want %d", arrived, h.Flags, h.Urgent, want)
		}
		data := make([]byte, o.last.Len)
		p.in(segment{flags: ack | wire.URG, seq: int64(1 + arrived), ack: 1, data: string(data), urgent: o.last.TCP.Urgent})
		arrived += o.last.Len
		remaining, pending := p.c.Urgent()
		if !pending || p.c.Ready()&ReadyUrgent == 0 || remaining < known || remaining > n {
			t.Fatalf("with %d bytes arrived, %d remain to be read (%v), and %d did", arrived, remaining, pending, known)
		}
		known = remaining
	}
	if known != n {
		t.Errorf("%d bytes are urgent, want %d", known, n)
	}
	buf := make([]byte, n-1)
	if m, _ := p.c.Read(buf); m != n-1 {
		t.Fatal(m)
	}
	if remaining, pending := p.c.Urgent(); remaining != 1 || !pending {
		t.Errorf("%d bytes remain (%v), want 1", remaining, pending)
	}
	_, _ = p.c.Read(buf[:1])
	if remaining, pending := p.c.Urgent(); remaining != 0 || pending || p.c.Ready()&ReadyUrgent != 0 {
		t.Errorf("after the last, %d bytes remain (%v)", remaining, pending)
	}
	// The data after it is not urgent.
	o.in(segment{flags: ack, seq: 1, ack: n + 1})
	if o.c.Transmit(o.now, 1, &o.last) && o.last.TCP.Flags.Has(wire.URG) {
		t.Error("data after the urgent data is urgent too")
	}
}

// Shows: MUST-30, MUST-32, MUST-33, MUST-62.
func TestUrgent(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: ack | wire.URG, seq: 1, ack: 1, data: "ab", urgent: 5})
	if n, ok := o.c.Urgent(); n != 5 || !ok || o.c.Ready()&ReadyUrgent == 0 {
		t.Errorf("urgent %d, %v", n, ok)
	}
	o.in(segment{flags: ack, seq: 3, ack: 1, data: "cdefg"})
	o.read("abcdefg", nil)
	if n, ok := o.c.Urgent(); n != 0 || ok {
		t.Errorf("after reading: urgent %d, %v", n, ok)
	}
	o.c.Transmit(o.now, 1, &o.last)
	if n, err := o.c.WriteUrgent(o.now, []byte("now")); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	o.write("later")
	o.want(segment{flags: ack | wire.URG, seq: 1, ack: 8, data: "nowlater"})
	if o.last.TCP.Urgent != 3 {
		t.Errorf("pointer %d, want 3 (MUST-62)", o.last.TCP.Urgent)
	}
}
