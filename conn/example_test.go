package conn_test

import (
	"fmt"
	"io"
	"slices"
	"time"

	"minitcp/conn"
)

// endpoint is a stage of a connection: a Handshake, a Conn, or a TimeWaitConn.
type endpoint interface {
	Receive(conn.Time, *conn.Segment) conn.Verdict
	Transmit(conn.Time, int, *conn.Outgoing) bool
	Deadline() conn.Time
	Advance(conn.Time)
}

// drain sends all segments that m has, and returns them. The driver calls it after each call on a connection. A driver
// with a network writes packets here, adds ports and addresses, and sets its timer to m.Deadline.
func drain(now conn.Time, m endpoint) (sent []conn.Segment) {
	var out conn.Outgoing
	for m.Transmit(now, 0, &out) { // a limit of 0: no GSO packets
		sent = append(sent, conn.Segment{TCP: out.TCP, Data: slices.Concat(out.Data...)})
	}
	return sent
}

// A driver of two connections, joined by a link with a delay of 10 ms: handshake, data, and release of one direction.
// The link loses nothing, so the example leaves out the Handshake's timer, which retransmits the SYN-ACK.
func Example() {
	cfg := conn.Config{}.WithDefaults()
	open := conn.Open{ISS: 1000, MTU: 1500, IPHeader: 20} // a real driver takes ISS and TSOffset from seq.ISN
	var now conn.Time

	client := conn.Dial(now, &cfg, open)
	syn := drain(now, client)[0]
	handshake := conn.NewHandshake(now, &cfg, open, &syn.TCP) // after conn.ReceiveListen has returned ListenOpen
	var server *conn.Conn

	toClient, toServer := drain(now, handshake), []conn.Segment(nil)
	for len(toClient)+len(toServer) > 0 || client.Deadline() != conn.Never {
		now = now.Add(10 * time.Millisecond)
		for client.Deadline() <= now {
			client.Advance(now)
			toServer = append(toServer, drain(now, client)...)
		}
		for _, s := range toClient {
			client.Receive(now, &s)
			if client.State() == conn.Established && client.Info(now).Sent == 0 {
				client.Write(now, []byte("hello"))
				client.CloseWrite()
			}
			toServer = append(toServer, drain(now, client)...)
		}
		toClient = nil
		for _, s := range toServer {
			if server == nil && handshake.Receive(now, &s) == conn.VerdictAccepted && handshake.State() == conn.Established {
				server = handshake.Establish(now)
			}
			if server != nil {
				server.Receive(now, &s)
				toClient = append(toClient, drain(now, server)...)
			}
		}
		toServer = nil
		for server != nil && server.Deadline() <= now {
			server.Advance(now)
			toClient = append(toClient, drain(now, server)...)
		}
	}

	data := make([]byte, 10)
	n, err := server.Read(data)
	fmt.Println(string(data[:n]), err)
	_, err = server.Read(data)
	fmt.Println(err == io.EOF, client.State(), server.State())
	// Output:
	// hello <nil>
	// true FIN-WAIT-2 CLOSE-WAIT
}
