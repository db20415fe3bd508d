package stack

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"minitcp/stack/stacktest"
)

// The conformance test for net.Conn. It runs in real time: it makes sub-tests, which bubbles cannot.
func TestNetConn(t *testing.T) {
	for name, address := range map[string]string{"IPv4": "10.77.0.2:80", "IPv6": "[fd77::2]:80"} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				da, db := stacktest.Pipe(1500)
				a, err := New(da, Config{Addresses: addressesA})
				if err != nil {
					return nil, nil, nil, err
				}
				b, err := New(db, Config{Addresses: addressesB})
				if err != nil {
					return nil, nil, nil, err
				}
				stop = func() { a.Close(); b.Close() }
				l, err := b.Listen("tcp", ":80")
				if err != nil {
					return nil, nil, stop, err
				}
				c1, err = a.Dial("tcp", address)
				if err != nil {
					return nil, nil, stop, err
				}
				c2, err = l.Accept()
				stop = func() { // the connections are in use until it is called
					a.Close()
					b.Close()
					runtime.KeepAlive([]any{c1, c2})
				}
				return c1, c2, stop, err
			})
		})
	}
}

// Server and client of package http work over two stacks.
func TestHTTP(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			io.WriteString(w, r.Proto+" "+r.RemoteAddr+" "+strings.ToUpper(string(body)))
		})}
		l := p.listen()
		done := make(chan error)
		go func() { done <- server.Serve(l) }()
		transport := &http.Transport{DialContext: p.a.DialContext}
		client := &http.Client{Transport: transport}
		var wait sync.WaitGroup
		for _, host := range []string{"10.77.0.2", "[fd77::2]"} {
			for range 20 {
				wait.Go(func() {
					r, err := client.Post("http://"+host+"/", "text/plain", strings.NewReader("hello"))
					if err != nil {
						t.Error(err)
						return
					}
					defer r.Body.Close()
					body, err := io.ReadAll(r.Body)
					if err != nil || !strings.HasPrefix(string(body), "HTTP/1.1 ") || !strings.HasSuffix(string(body), " HELLO") {
						t.Errorf("%q, %v", body, err)
					}
				})
			}
		}
		wait.Wait()
		transport.CloseIdleConnections()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
}

// A slow handler meets the client's timeout, through deadlines and cancelled contexts.
func TestHTTPTimeout(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done() // the client goes away
		})}
		go server.Serve(p.listen())
		client := &http.Client{Transport: &http.Transport{DialContext: p.a.DialContext}, Timeout: 5 * time.Second}
		begin := time.Now()
		_, err := client.Get("http://10.77.0.2/")
		if e, ok := err.(net.Error); !ok || !e.Timeout() {
			t.Errorf("Get: %v", err)
		}
		took(t, begin, 5*time.Second, 6*time.Second)
		server.Close()
	})
}
