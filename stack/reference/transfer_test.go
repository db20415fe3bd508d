package reference

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// randomBytes returns n random bytes that depend on the seed.
func randomBytes(n int, seed uint64) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// exchange sends data in both directions at the same time, and checks that it arrives. Then both sides close their
// direction.
//
// gVisor closes its direction when all its data has arrived and the link has healed. It does not retransmit a FIN that
// is lost while it recovers from another loss, and both sides would wait for ever.
func exchange(w *world, a, b party, fromA, fromB []byte) {
	w.t.Helper()
	done := make(chan error)
	send := func(p party, data []byte, arrived <-chan struct{}) {
		n, err := p.Write(data)
		if _, ok := p.(*gvisParty); ok && err == nil {
			<-arrived
			w.toMini.heal()
		}
		if err == nil {
			err = p.CloseWrite()
		}
		if err != nil {
			err = fmt.Errorf("%s: sent %d of %d bytes: %w", p.Name(), n, len(data), err)
		}
		done <- err
	}
	receive := func(p party, want []byte, arrived chan<- struct{}) {
		var got bytes.Buffer
		limited := &io.LimitedReader{R: p, N: int64(len(want))}
		_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{limited}, make([]byte, 40_000))
		close(arrived)
		if err == nil {
			_, err = got.ReadFrom(p) // io.EOF
		}
		switch {
		case err != nil:
			err = fmt.Errorf("%s: received %d of %d bytes: %w", p.Name(), got.Len(), len(want), err)
		case !bytes.Equal(got.Bytes(), want):
			err = fmt.Errorf("%s: the %d bytes received differ from the %d sent", p.Name(), got.Len(), len(want))
		}
		w.t.Logf("%s has its %d bytes after %v", p.Name(), got.Len(), w.now())
		done <- err
	}
	atA, atB := make(chan struct{}), make(chan struct{})
	go send(a, fromA, atB)
	go send(b, fromB, atA)
	go receive(a, fromB, atA)
	go receive(b, fromA, atB)
	for range 4 {
		if err := <-done; err != nil {
			w.t.Error(err)
			w.end() // releases the other calls
			w.mini.Close()
		}
	}
}

var seeds = flag.Int("seeds", 1, "how many times each transfer is made, with other luck")

// TestTransfer sends 1 MB in both directions at the same time over links with different impairments.
func TestTransfer(t *testing.T) {
	links := []impairment{
		{},
		{lost: 10},
		{lost: 50},
		{late: 100},
		{twice: 100},
		{damaged: 30},
		{lost: 20, late: 50, twice: 30, damaged: 10},
	}
	for _, r := range []role{miniClient, gvisClient} {
		for _, f := range []family{ipv4Family, ipv6Family} {
			for _, link := range links {
				for seed := range uint64(*seeds) {
					t.Run(fmt.Sprintf("%v/%v/%v/%d", r, f, link, seed), func(t *testing.T) {
						transfer(t, r, f, link, seed)
					})
				}
			}
		}
	}
}

func transfer(t *testing.T, r role, f family, link impairment, seed uint64) {
	run(t, settings{impairment: link, seed: seed}, func(w *world) {
		client, server := w.connect(r, f)
		exchange(w, client, server, randomBytes(1<<20, 2*seed), randomBytes(1<<20, 2*seed+1))
		client.Close()
		server.Close()
		w.wantNothingLeft()
		w.wantImpaired(link)
		stats, theirs := w.mini.Stats(), w.g.Stack.Stats()
		t.Logf("%v of virtual time, %d and %d packets, %d retransmissions by minitcp, %d by gVisor", w.now(), w.toGvis.sent,
			w.toMini.sent, stats["retransmissions"], theirs.TCP.Retransmits.Value())
		// Damage must be detected by the checksums of both stacks. A few inverted bits may all be in addresses, but many are
		// not.
		for _, found := range []struct {
			by    string
			wrong int
		}{{"minitcp", int(stats["dropped-tcp-checksum"])}, {"gVisor", int(theirs.TCP.ChecksumErrors.Value())}} {
			if found.wrong > 0 && link.damaged == 0 || found.wrong == 0 && link.damaged >= 30 {
				t.Errorf("%s: %d wrong checksums", found.by, found.wrong)
			}
		}
	})
}

// wantImpaired checks that the link had the configured impairments.
func (w *world) wantImpaired(as impairment) {
	w.t.Helper()
	for _, d := range []*direction{w.toMini, w.toGvis} {
		for _, fate := range []struct {
			name           string
			wanted, befell int
		}{{"lost", as.lost, d.lost}, {"late", as.late, d.late}, {"twice", as.twice, d.twice}, {"damaged", as.damaged, d.damaged}} {
			if (fate.wanted > 0) != (fate.befell > 0) {
				w.t.Errorf("%d of %d packets were %s", fate.befell, d.sent, fate.name)
			}
		}
	}
}
