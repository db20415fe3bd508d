package conn

import "minitcp/conn/clock"

// Time is an instant of the driver's clock. The instants given to Transmit become timestamps, so they must not
// decrease. Those given to Receive and Advance may be a little earlier: the arrival of the segment, the expiry of the
// timer.
type Time = clock.Time

// Never is later than every instant: the value of a timer that is not set.
const Never = clock.Never
