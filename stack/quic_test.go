package stack

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/quic"

	"minitcp/stack/stacktest"
)

// QUIC is the other large user of UDP, and its library is not of this project. It runs over a UDPConn, as client and
// as server. 100 MB arrive unchanged in either direction, also over a line that loses 1 % of the packets.
func TestQUIC(t *testing.T) {
	for _, test := range []struct {
		name string
		loss float64
	}{
		{"no loss", 0},
		{"1 % loss", 0.01},
	} {
		for _, direction := range []string{"client sends", "server sends"} {
			t.Run(test.name+", "+direction, func(t *testing.T) {
				size := int64(100_000_000)
				if testing.Short() {
					size /= 20
				}
				within(t, func(t *testing.T) {
					p := newPairOn(t, stacktest.Config{}, Config{}, Config{})
					if test.loss > 0 {
						p.da.SetHook(losing(test.loss, 1))
						p.db.SetHook(losing(test.loss, 2))
					}
					client, server := p.connectQUIC()
					if direction == "server sends" {
						client, server = server, client
					}
					transferQUIC(t, client, server, size)
					if dropped := p.da.Counts().ByTheHook + p.db.Counts().ByTheHook; (dropped > 0) != (test.loss > 0) {
						t.Errorf("the line has lost %d packets", dropped)
					}
				})
			})
		}
	}
}

// losing returns a hook that drops a share of the frames.
func losing(share float64, seed uint64) stacktest.Hook {
	random := rand.New(rand.NewPCG(seed, seed))
	return func([]byte) stacktest.Fate {
		if random.Float64() < share {
			return stacktest.Drop
		}
		return stacktest.Pass
	}
}

// connectQUIC connects a to b.
func (p *pair) connectQUIC() (client, server *quic.Conn) {
	p.t.Helper()
	address := netip.AddrPortFrom(addressesB[0].Addr(), 443)
	listening := p.endpoint(p.listenUDP(address), &quic.Config{TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{certificate(p.t)}, MinVersion: tls.VersionTLS13,
	}})
	own, err := p.a.ListenUDP("udp4", ":0")
	if err != nil {
		p.t.Fatal(err)
	}
	client, err = p.endpoint(own, nil).Dial(p.t.Context(), "udp4", address.String(), &quic.Config{TLSConfig: &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
	}})
	if err != nil {
		p.t.Fatal(err)
	}
	if server, err = listening.Accept(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	return client, server
}

// endpoint returns a QUIC endpoint on a socket. It is closed when the test ends.
func (p *pair) endpoint(c *UDPConn, cfg *quic.Config) *quic.Endpoint {
	p.t.Helper()
	e, err := quic.NewEndpoint(c, cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			p.t.Errorf("closing the endpoint: %v", err)
		}
	})
	return e
}

// certificate returns a certificate that is signed with its own key.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, &template, &template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// transferQUIC sends size random bytes on a stream, and checks that their hash arrives.
func transferQUIC(t *testing.T, from, to *quic.Conn, size int64) {
	t.Helper()
	out, err := from.NewSendOnlyStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sent, received := sha256.New(), sha256.New()
	done := make(chan error, 1)
	go func() {
		source := io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
		_, err := io.Copy(io.MultiWriter(out, sent), source)
		if err == nil {
			err = out.Close()
		}
		done <- err
	}()
	in, err := to.AcceptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(received, in)
	if err != nil || n != size {
		t.Fatalf("%d bytes, %v; want %d", n, err, size)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if a, b := sent.Sum(nil), received.Sum(nil); string(a) != string(b) {
		t.Errorf("the hash is %x, want %x", b, a)
	}
}
