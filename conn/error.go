package conn

// Error is the reason why a call has failed or a connection has ended. Errors are comparable constants. A driver maps
// them to its own errors.
type Error uint8

const (
	_ Error = iota
	// ErrWouldBlock: there is nothing to read, or no room to write, now.
	ErrWouldBlock
	// ErrClosed: the application has closed the connection.
	ErrClosed
	// ErrPipe: the sending direction is closed.
	ErrPipe
	// ErrRefused: the reply to the SYN was a RST or an ICMP message that the port is unreachable.
	ErrRefused
	// ErrReset: the peer has reset the connection.
	ErrReset
	// ErrAborted: this end has reset the connection.
	ErrAborted
	// ErrTimeout: the peer has not replied within R2, the SYN timeout, the user timeout or the keep-alive limit.
	ErrTimeout
	// ErrHostUnreachable, ErrNetUnreachable and ErrProtocolUnreachable: an ICMP message has reported this.
	ErrHostUnreachable
	ErrNetUnreachable
	ErrProtocolUnreachable
	// ErrLingerTimeout: the linger time has passed and data is unacknowledged.
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
