package conn

// Error is the reason why a call has failed or a connection has ended. Errors are comparable constants. A driver maps
// them to its own errors.
type Error uint8

const (
	_ Error = iota
	// ErrWouldBlock means that there is nothing to read, or no room to write, now.
	ErrWouldBlock
	// ErrClosed means that the application has closed the connection.
	ErrClosed
	// ErrPipe means that the sending direction is closed.
	ErrPipe
	// ErrRefused means that the reply to the SYN was a RST or an ICMP message that the port is unreachable.
	ErrRefused
	// ErrReset means that the peer has reset the connection.
	ErrReset
	// ErrAborted means that this end has reset the connection.
	ErrAborted
	// ErrTimeout means that the peer has not replied within R2, the SYN timeout, the user timeout or the keep-alive limit.
	ErrTimeout
	// ErrHostUnreachable, ErrNetUnreachable and ErrProtocolUnreachable are the errors of ICMP messages.
	ErrHostUnreachable
	ErrNetUnreachable
	ErrProtocolUnreachable
	// ErrLingerTimeout means that data was unacknowledged at the end of the linger time.
	ErrLingerTimeout
)

var errorTexts = [...]string{
	ErrWouldBlock:          "operation would block",
	ErrClosed:              "connection closed",
	ErrPipe:                "sending side is closed",
	ErrRefused:             "connection refused",
	ErrReset:               "connection reset by peer",
	ErrAborted:             "connection aborted",
	ErrTimeout:             "connection timed out",
	ErrHostUnreachable:     "host unreachable",
	ErrNetUnreachable:      "network unreachable",
	ErrProtocolUnreachable: "protocol not available",
	ErrLingerTimeout:       "linger time passed with data unsent",
}

func (e Error) Error() string {
	if int(e) < len(errorTexts) && errorTexts[e] != "" {
		return errorTexts[e]
	}
	return "unknown connection error"
}
