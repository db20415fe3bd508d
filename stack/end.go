package stack

import (
	"net"
	"sync"
)

// end records that the stack has ended, and the cause. Only the first cause counts.
type end struct {
	once  sync.Once
	done  chan struct{}
	cause error // written before done is closed
}

// Done returns a channel that is closed when the stack ends: when its device fails or is closed by another owner, or
// when [Stack.Close] or the end of [Stack.Shutdown] ends it. [Stack.Err] then returns the cause.
func (s *Stack) Done() <-chan struct{} { return s.end.done }

// Err returns nil while the stack runs, and the cause when it has ended. After [Stack.Close] and [Stack.Shutdown] the
// cause is [net.ErrClosed]. Otherwise the device has ended the stack, and errors.Is finds the device's error:
// [os.ErrClosed] if another owner closed the device. The first cause is kept; a later Close does not replace it.
//
// The errors of Accept, Dial, Listen, Read and Write on an ended stack, and the error that a [Handler] gets in Ended,
// wrap the cause.
func (s *Stack) Err() error {
	select {
	case <-s.end.done:
		return s.end.cause
	default:
		return nil
	}
}

// refusal returns the error of a connection or listener that is opened after Shutdown has begun or the stack has ended.
// It returns nil before that.
func (s *Stack) refusal() error {
	if err := s.Err(); err != nil {
		return err
	}
	if s.stopping.Load() {
		return net.ErrClosed
	}
	return nil
}

// finish ends the stack. It may be called with locks held: the goroutine of shutWhenDone does the work.
func (s *Stack) finish(cause error) {
	s.end.once.Do(func() {
		s.end.cause = cause
		close(s.end.done)
	})
}

// fail ends the stack because its device has failed or was closed. Call names the device's method that returned err. It
// does nothing after [Stack.Close], which closes the device itself.
func (s *Stack) fail(call string, err error) { s.finish(&deviceError{call, err}) }

// shutWhenDone waits for the end of the stack. Then it closes listeners and connections, and at last the device, which
// ends the goroutines of the queues.
func (s *Stack) shutWhenDone() {
	<-s.end.done
	s.loop.Close() // else the RST of one end could reach the other before it is closed with the cause
	s.shut()
	s.device.Close()
}

// deviceError is the error of a device that has failed for good. It has no methods Timeout and Temporary: a server that
// repeats Accept after temporary errors stops, whatever err is.
type deviceError struct {
	call string
	err  error
}

func (e *deviceError) Error() string { return "device: " + e.call + ": " + e.err.Error() }
func (e *deviceError) Unwrap() error { return e.err }

// ended returns the error of calls on a closed connection: the stack's cause if the end of the stack closed the
// connection, and [net.ErrClosed] otherwise.
func (c *Conn) ended() error {
	if c.cut {
		return c.stack.end.cause
	}
	return net.ErrClosed
}
