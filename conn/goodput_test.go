package conn_test

import (
	"fmt"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
)

func TestGoodputWIP(t *testing.T) {
	for _, loss := range []float64{0, 0.001, 0.01, 0.03} {
		for _, jitter := range []time.Duration{0} {
			var rates []float64
			var re, to, sp uint64
			for seed := range uint64(3) {
				link := conntest.Link{Delay: 20 * time.Millisecond, Jitter: jitter, Loss: loss, Rate: 12_500_000, Queue: 100 * 1500, Superframes: 1}
				p := conntest.NewPair(seed+1, conn.Config{ReceiveBuffer: 8 << 20, SendBuffer: 8 << 20}, link)
				p.A.ToSend = make([]byte, 300<<20)
				p.Dial(p.A)
				d := 20 * time.Second
				if err := p.Run(d); err != nil {
					t.Fatal(err)
				}
				got := len(p.B.Received)
				dd := d
				if got == len(p.A.ToSend) {
					dd = time.Duration(p.Now)
				}
				_ = dd
				rates = append(rates, float64(got)*8/20/1e6)
				i := p.A.Conn.Info()
				re += i.Retransmitted
				to += i.Timeouts
				sp += i.Spurious
			}
			fmt.Printf("loss %v jitter %v: %.1f Mbit/s  retrans %d timeouts %d spurious %d\n", loss, jitter, rates, re, to, sp)
		}
	}
}
