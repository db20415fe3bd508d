package cc

import "testing"

const mss = 1000

func reno(window, ssthresh int64) *Reno {
	r := NewReno(mss, window)
	r.ssthresh = ssthresh
	return r
}

// full acknowledges n bytes of a window that was full.
func full(n int64) Ack { return Ack{Acked: n, Limited: true} }

func TestInitialWindow(t *testing.T) {
	for _, c := range []struct {
		mss  int
		want int64
	}{{536, 5360}, {1460, 14600}, {8960, 17920}, {65000, 130000}, {1500, 14600}} {
		if got := InitialWindow(c.mss); got != c.want {
			t.Errorf("InitialWindow(%d) = %d, want %d (RFC 6928 2)", c.mss, got, c.want)
		}
	}
}

// Shows: MUST-19.
func TestReno(t *testing.T) {
	for _, c := range []struct {
		name             string
		r                *Reno
		do               func(*Reno)
		window, ssthresh int64
	}{
		{"slow start doubles", reno(10_000, MaxWindow), func(r *Reno) {
			for range 10 {
				r.OnAck(full(mss))
			}
		}, 20_000, MaxWindow},
		{"slow start ends at the threshold", reno(10_000, 12_500), func(r *Reno) {
			for range 10 {
				r.OnAck(full(mss))
			}
		}, 12_500, 12_500},
		{"avoidance grows by one segment in a window", reno(10_000, 5_000), func(r *Reno) {
			for range 10 {
				r.OnAck(full(mss))
			}
		}, 11_000, 5_000},
		{"and not before the window is through", reno(10_000, 5_000), func(r *Reno) {
			for range 9 {
				r.OnAck(full(mss))
			}
		}, 10_000, 5_000},
		{"nor twice for the same bytes", reno(10_000, 5_000), func(r *Reno) {
			for range 11 {
				r.OnAck(full(mss))
			}
		}, 11_000, 5_000},
		{"by bytes, whatever the number of ACKs", reno(10_000, 5_000), func(r *Reno) {
			for range 100 {
				r.OnAck(full(100))
			}
		}, 11_000, 5_000},
		{"a window that is not full does not grow", reno(10_000, MaxWindow), func(r *Reno) {
			r.OnAck(Ack{Acked: 5000})
		}, 10_000, MaxWindow},
		{"a loss halves the bytes in flight", reno(20_000, MaxWindow), func(r *Reno) {
			r.OnLoss(Loss{InFlight: 16_000})
		}, 8_000, 8_000},
		{"to no less than two segments", reno(2_000, MaxWindow), func(r *Reno) {
			r.OnLoss(Loss{InFlight: 1_000})
		}, 2_000, 2_000},
		{"a mark takes a fifth (RFC 8511)", reno(20_000, MaxWindow), func(r *Reno) {
			r.OnLoss(Loss{InFlight: 16_000, ECN: true})
		}, 12_800, 12_800},
		{"and gives nothing", reno(1_500, MaxWindow), func(r *Reno) {
			r.OnLoss(Loss{InFlight: 1_000, ECN: true})
		}, 1_500, 2_000},
		{"a timeout begins with one segment", reno(20_000, MaxWindow), func(r *Reno) {
			r.OnTimeout(Loss{InFlight: 20_000})
		}, 1_000, 10_000},
		{"a second one does not cut again", reno(20_000, MaxWindow), func(r *Reno) {
			r.OnTimeout(Loss{InFlight: 20_000})
			r.OnTimeout(Loss{InFlight: 1_000, Again: true})
		}, 1_000, 10_000},
		{"slow start again after a timeout", reno(20_000, MaxWindow), func(r *Reno) {
			r.OnTimeout(Loss{InFlight: 8_000})
			for range 4 {
				r.OnAck(full(mss))
			}
		}, 4_000, 4_000},
		{"a smaller MSS keeps the window", reno(10_000, MaxWindow), func(r *Reno) { r.SetMSS(500) }, 10_000, MaxWindow},
		{"a larger one makes it a segment", reno(1_000, MaxWindow), func(r *Reno) { r.SetMSS(1_500) }, 1_500, MaxWindow},
		{"what limited transmit sent does not count", reno(10_000, MaxWindow), func(r *Reno) {
			r.OnLoss(Loss{InFlight: 12_000})
		}, 5_000, 5_000},
		{"credit of before a loss is gone", reno(20_000, 5_000), func(r *Reno) {
			r.OnAck(full(19_999))
			r.OnLoss(Loss{InFlight: 20_000})
			r.OnAck(full(mss))
		}, 10_000, 10_000},
	} {
		c.do(c.r)
		if c.r.Window() != c.window || c.r.SlowStartThreshold() != c.ssthresh {
			t.Errorf("%s: window %d, threshold %d; want %d, %d", c.name, c.r.Window(), c.r.SlowStartThreshold(), c.window, c.ssthresh)
		}
	}
}

// The window neither overflows nor shrinks, however many bytes are acknowledged.
func TestRenoDoesNotOverflow(t *testing.T) {
	r := NewReno(mss, 10*mss)
	for range 1000 {
		before := r.Window()
		r.OnAck(full(1 << 50))
		if r.Window() < before || r.Window() > MaxWindow {
			t.Fatalf("window went from %d to %d", before, r.Window())
		}
	}
	r.OnLoss(Loss{InFlight: 1 << 60})
	for range 1000 {
		r.OnAck(full(1 << 60 / 1000))
	}
	if r.Window() < mss || r.Window() > 1<<60 {
		t.Errorf("window %d", r.Window())
	}
}
