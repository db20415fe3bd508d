package wgnet_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"

	"minitcp/stack/wgnet"
)

// Keys of the two ends, which are in no other use.
const (
	serverPrivate = "c8a3f3a53aa8a2b92f8d1bdaa1b9c4f6cb4d70f59fb6c5f4ed5e1a7e9f0a6b5f"
	clientPrivate = "70c1f2e97cb0a4b6b1a9f9eb32b1a7f3b7a3d9b4c5e6f708192a3b4c5d6e7f40"
)

// startServer starts a web server at 192.168.4.29 in a tunnel, and returns the tunnel's WireGuard device.
func startServer(port int) *device.Device {
	tun, tnet, err := wgnet.CreateNetTUN([]netip.Addr{netip.MustParseAddr("192.168.4.29")}, nil, 1420)
	if err != nil {
		log.Panic(err)
	}
	dev := device.NewDevice(tun, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, ""))
	if err := dev.IpcSet(fmt.Sprintf("private_key=%s\nlisten_port=%d\npublic_key=%s\nallowed_ip=192.168.4.28/32\n",
		serverPrivate, port, publicKey(clientPrivate))); err != nil {
		log.Panic(err)
	}
	if err := dev.Up(); err != nil {
		log.Panic(err)
	}
	listener, err := tnet.ListenTCP(&net.TCPAddr{Port: 80})
	if err != nil {
		log.Panic(err)
	}
	hello := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello through the tunnel: %s", r.URL.Path)
	}
	go http.Serve(listener, http.HandlerFunc(hello)) // until the device is closed
	return dev
}

// startClient returns the client's end of the tunnel, 192.168.4.28, and its WireGuard device.
func startClient(port int) (*wgnet.Net, *device.Device) {
	tun, tnet, err := wgnet.CreateNetTUN([]netip.Addr{netip.MustParseAddr("192.168.4.28")}, nil, 1420)
	if err != nil {
		log.Panic(err)
	}
	dev := device.NewDevice(tun, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, ""))
	if err := dev.IpcSet(fmt.Sprintf("private_key=%s\npublic_key=%s\nallowed_ip=0.0.0.0/0\nendpoint=127.0.0.1:%d\n",
		clientPrivate, publicKey(serverPrivate), port)); err != nil {
		log.Panic(err)
	}
	if err := dev.Up(); err != nil {
		log.Panic(err)
	}
	return tnet, dev
}

// A web server at one end of a tunnel, and a client at the other.
func Example_http() {
	port := freePort()
	defer startServer(port).Close()
	tnet, dev := startClient(port)
	defer dev.Close()

	client := http.Client{Transport: &http.Transport{DialContext: tnet.DialContext}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://192.168.4.29/burrow")
	if err != nil {
		log.Panic(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(string(body))
	// Output: hello through the tunnel: /burrow
}

// A ping through a tunnel.
func ExampleNet_Dial_ping() {
	port := freePort()
	defer startServer(port).Close()
	tnet, dev := startClient(port)
	defer dev.Close()

	socket, err := tnet.Dial("ping4", "192.168.4.29")
	if err != nil {
		log.Panic(err)
	}
	defer socket.Close()
	request := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{Seq: 1, Data: []byte("burrow")}}
	message, err := request.Marshal(nil)
	if err != nil {
		log.Panic(err)
	}
	if _, err := socket.Write(message); err != nil {
		log.Panic(err)
	}
	reply := make([]byte, 1500)
	n, err := socket.Read(reply)
	if err != nil {
		log.Panic(err)
	}
	parsed, err := icmp.ParseMessage(1, reply[:n])
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(parsed.Type, bytes.Equal(parsed.Body.(*icmp.Echo).Data, []byte("burrow")))
	// Output: echo reply true
}
