//go:build linux

package gateway

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
)

// httpProxy is an HTTP proxy with the method CONNECT [RFC 9110 9.3.6].
type httpProxy struct{ proxy }

// httpStatus is the status of a proxy that has not connected.
type httpStatus int

func (s httpStatus) Error() string {
	return fmt.Sprintf("the proxy replies: %d %s", int(s), http.StatusText(int(s)))
}

func (s httpStatus) verdict() verdict {
	switch int(s) {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusUnavailableForLegalReasons:
		return prohibited
	case http.StatusGatewayTimeout:
		return silent
	}
	return refused
}

// maxHTTPHeader is the largest number of bytes of a proxy's answer.
const maxHTTPHeader = 16 << 10

// dialTCP implements [Outbound].
func (p *httpProxy) dialTCP(ctx context.Context, d *net.Dialer, dst netip.AddrPort) (*net.TCPConn, []byte, error) {
	var early []byte
	c, err := p.connect(ctx, d, func(c *net.TCPConn) (err error) {
		early, err = p.request(c, dst)
		return err
	})
	return c, early, err
}

// request sends the request and reads the answer. It returns the data that has arrived with it.
func (p *httpProxy) request(c *net.TCPConn, dst netip.AddrPort) (early []byte, err error) {
	authorization := ""
	if p.authenticates {
		authorization = "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password)) + "\r\n"
	}
	if _, err := fmt.Fprintf(c, "CONNECT %v HTTP/1.1\r\nHost: %v\r\n%s\r\n", dst, dst, authorization); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: c, N: maxHTTPHeader}
	r := bufio.NewReader(limited)
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	switch {
	case err != nil && limited.N <= 0:
		return nil, fmt.Errorf("its answer has more than %d bytes", maxHTTPHeader)
	case err != nil && !isTimeout(err) && !isEnd(err):
		return nil, fmt.Errorf("its answer is not one of HTTP: %w", err)
	case err != nil:
		return nil, err
	case answer.StatusCode/100 != 2:
		return nil, httpStatus(answer.StatusCode)
	}
	early = make([]byte, r.Buffered())
	_, err = io.ReadFull(r, early)
	return early, err
}

// openUDP implements [Outbound].
func (p *httpProxy) openUDP(context.Context, *net.Dialer, netip.AddrPort) (datagramSocket, error) {
	return nil, errNoUDP
}
