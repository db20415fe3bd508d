package stack_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"time"

	"golang.org/x/net/quic"
)

// ownCertificate returns a certificate that is signed with its own key.
func ownCertificate() tls.Certificate {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, t, t, public, private)
	if err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// QUIC over UDP sockets of a stack: the library takes them as net.PacketConn.
func ExampleUDPConn_quic() {
	client, server := twoStacks()
	defer client.Close()
	defer server.Close()
	ctx := context.Background()

	c, err := server.ListenPacket("udp", "10.77.0.2:443")
	if err != nil {
		log.Fatal(err)
	}
	listening, err := quic.NewEndpoint(c, &quic.Config{TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{ownCertificate()}, MinVersion: tls.VersionTLS13}})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		accepted, err := listening.Accept(ctx)
		if err != nil {
			return
		}
		if stream, err := accepted.AcceptStream(ctx); err == nil {
			io.Copy(stream, stream)
			stream.Close()
		}
	}()

	if c, err = client.ListenPacket("udp", ":0"); err != nil {
		log.Fatal(err)
	}
	endpoint, err := quic.NewEndpoint(c, nil)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := endpoint.Dial(ctx, "udp", "10.77.0.2:443", &quic.Config{TLSConfig: &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}})
	if err != nil {
		log.Fatal(err)
	}
	stream, err := conn.NewStream(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(stream, "hello")
	stream.CloseWrite()
	reply, err := io.ReadAll(stream)
	fmt.Println(string(reply), err)
	// Output: hello <nil>
}
