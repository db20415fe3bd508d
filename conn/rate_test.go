package conn

import "testing"

// The delivery rate is limited by the application if it writes little and rarely, and by the path if it always has
// data.
func TestApplicationLimit(t *testing.T) {
	for _, c := range []struct {
		written int
		limited bool
	}{{3_000, true}, {100_000, false}} {
		o := sackOne(t, Disabled)
		o.write(repeat(c.written))
		for range 10 {
			o.drain()
			o.sleep(100 * ms)
			o.write(repeat(1_000))
			o.drain()
			o.sleep(100 * ms)
			o.ack(int64(o.c.snd.nxt))
		}
		if i := o.c.Info(o.now); i.DeliveryLimited != c.limited || i.DeliveryRate == 0 || i.Delivered != int64(o.c.snd.una)-1 {
			t.Errorf("%d bytes written: limited %v at %d bytes per second, %d of %d delivered", c.written,
				i.DeliveryLimited, i.DeliveryRate, i.Delivered, o.c.snd.una-1)
		}
	}
}
