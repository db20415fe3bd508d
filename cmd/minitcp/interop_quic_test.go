//go:build linux

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"golang.org/x/net/quic"
)

// QUIC between a UDP socket of minitcp and one of the kernel's, over a TUN: the handshake, and 100 MB, or as much as 5
// seconds suffice for, in each direction. The library is golang.org/x/net/quic at both ends.
func TestQUICWithKernel(t *testing.T) {
	t.Parallel()
	for _, family := range []struct{ name, ours, kernels string }{{"IPv4", "10.77.0.2", "10.77.0.1"}, {"IPv6", "fd77::2", "fd77::1"}} {
		for _, client := range []string{"minitcp", "the kernel"} {
			t.Run(family.name+", "+client+" is the client", func(t *testing.T) {
				g := newGateway(t)
				kernels := socketIn(t, g.clients, net.JoinHostPort(family.kernels, "0"), "")
				kernels.SetDeadline(time.Time{})
				ours, err := g.stack.ListenPacket("udp", net.JoinHostPort(family.ours, "0"))
				if err != nil {
					t.Fatal(err)
				}
				var dialed, accepted *quic.Conn
				if client == "minitcp" {
					dialed, accepted = connectQUIC(t, ours, kernels)
				} else {
					dialed, accepted = connectQUIC(t, kernels, ours)
				}
				up := transferQUIC(t, dialed, accepted)
				down := transferQUIC(t, accepted, dialed)
				t.Logf("%d bytes from the client, %d to it", up, down)
				stats := g.stack.Stats()
				if n := stats["udp-received"]; n == 0 || stats["udp-sent"] == 0 {
					t.Errorf("%d datagrams received and %d sent by minitcp", n, stats["udp-sent"])
				}
			})
		}
	}
}

// connectQUIC connects two sockets, which are closed when the test ends.
func connectQUIC(t *testing.T, client, server net.PacketConn) (dialed, accepted *quic.Conn) {
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
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
	endpoint := func(c net.PacketConn, cfg *quic.Config) *quic.Endpoint {
		e, err := quic.NewEndpoint(c, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			e.Close(ctx)
		})
		return e
	}
	listening := endpoint(server, &quic.Config{TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13,
	}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dialed, err = endpoint(client, nil).Dial(ctx, "udp", server.LocalAddr().String(), &quic.Config{TLSConfig: &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if accepted, err = listening.Accept(ctx); err != nil {
		t.Fatal(err)
	}
	return dialed, accepted
}

// transferQUIC sends random bytes on a stream, 100 MB or what 5 seconds suffice for, and checks that their hash
// arrives. It returns their number.
func transferQUIC(t *testing.T, from, to *quic.Conn) (n int64) {
	t.Helper()
	const most, limit = 100_000_000, 5 * time.Second
	out, err := from.NewSendOnlyStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sent, received := sha256.New(), sha256.New()
	done := make(chan error, 1)
	go func() {
		source := rand.NewChaCha8([32]byte{1})
		b := make([]byte, 64<<10)
		var err error
		for end := time.Now().Add(limit); n < most && err == nil && time.Now().Before(end); n += int64(len(b)) {
			b = b[:min(int64(len(b)), most-n)]
			source.Read(b)
			sent.Write(b)
			_, err = out.Write(b)
		}
		if err == nil {
			err = out.Close()
		}
		done <- err
	}()
	in, err := to.AcceptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	arrived, err := io.Copy(received, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if a, b := sent.Sum(nil), received.Sum(nil); arrived != n || string(a) != string(b) {
		t.Errorf("%d bytes with the hash %x arrived, want %d with %x", arrived, b, n, a)
	}
	return n
}
