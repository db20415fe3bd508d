package conn

// Error says why a call could not do its work or why a connection ended. Errors are comparable constants; a driver maps
// them to the errors its users know.
type Error uint8

const (
	_ Error = iota
	// ErrWouldBlock: nothing to read, or no room to write, now.
	ErrWouldBlock
	// ErrClosed: the application has closed the connection.
	ErrClosed
	// ErrPipe: nothing more can be sent; the sending side is closed.
	ErrPipe
	// ErrRefused: the peer answered the SYN with RST, or said its port is unreachable.
	ErrRefused
	// ErrReset: the peer reset the connection.
	ErrReset
	// ErrAborted: this side reset the connection.
	ErrAborted
	// ErrTimeout: the peer did not answer within R2, the SYN timeout, the user timeout or the keep-alive limit.
	ErrTimeout
	// ErrHostUnreachable and the next two: what ICMP said.
	ErrHostUnreachable
	ErrNetUnreachable
	ErrProtocolUnreachable
	// ErrLingerTimeout: the time SetLinger gave for sending the rest has passed.
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
