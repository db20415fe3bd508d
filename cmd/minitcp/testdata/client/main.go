// Command client is a program that the tests build without the C library. It writes the content of a URL to stdout, or
// with the scheme quic that of a stream that the server sends.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/net/quic"
)

func main() {
	if err := fetch(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fetch(url string) error {
	if address, ok := strings.CutPrefix(url, "quic://"); ok {
		return fetchQUIC(context.Background(), address)
	}
	r, err := http.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, err = io.Copy(os.Stdout, r.Body)
	return err
}

func fetchQUIC(ctx context.Context, address string) error {
	e, err := quic.Listen("udp", ":0", nil)
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	c, err := e.Dial(ctx, "udp", address, &quic.Config{TLSConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}})
	if err != nil {
		return err
	}
	s, err := c.AcceptStream(ctx)
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, s)
	return err
}
