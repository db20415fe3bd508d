package script

import (
	"fmt"
	"strings"

	"minitcp/conn"
)

// assertion is the code between %{ and }%: comparisons that must all hold, and assignments.
type assertion struct{ comparisons []comparison }

// comparison compares two values, or assigns the right one to the left one, a variable of the script.
type comparison struct {
	line        int
	left, right operand
	operator    string // of operators, or "=" or "+="
}

// operand is a variable of the connection or of the script, or a number.
type operand struct {
	name   string // "" for a number
	number int64
	mask   int64 // bits of the variable; 0 for all
}

// scriptVariables are the variables that a script has assigned.
type scriptVariables struct{ list []scriptVariable }

type scriptVariable struct {
	name  string
	value int64
}

// get returns the value of a variable, and whether there is one of that name.
func (s *scriptVariables) get(name string) (int64, bool) {
	for _, v := range s.list {
		if v.name == name {
			return v.value, true
		}
	}
	return 0, false
}

func (s *scriptVariables) set(name string, value int64) {
	for i := range s.list {
		if s.list[i].name == name {
			s.list[i].value = value
			return
		}
	}
	s.list = append(s.list, scriptVariable{name, value})
}

var operators = []string{"==", "!=", "<=", ">=", "<", ">"}

// parseAssertion parses one or more statements, separated by line ends or semicolons: "assert A == B and C > D,
// message", an assignment, or a call of print, which has no effect. Comments begin with #. known are the names of the
// script's variables; the assigned ones are added.
func parseAssertion(t token, known *scriptVariables) (action, *Error) {
	a := &assertion{}
	line := t.line
	statements := 0
	for _, text := range strings.SplitAfter(t.text, "\n") {
		text, _, _ = strings.Cut(text, "#")
		for statement := range strings.SplitSeq(text, ";") {
			statement = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(statement), `\`)) // a continued line
			if statement == "" {
				continue
			}
			statements++
			list, err := parseStatement(statement, line, known)
			if err != nil {
				return nil, err
			}
			a.comparisons = append(a.comparisons, list...)
		}
		line++
	}
	if statements == 0 {
		return nil, errorf(t.line, "the code has no assertion")
	}
	return a, nil
}

// parseStatement parses a statement.
func parseStatement(s string, line int, known *scriptVariables) ([]comparison, *Error) {
	if strings.HasPrefix(s, "print(") && strings.HasSuffix(s, ")") {
		return nil, nil
	}
	if c, ok := parseAssignment(s, known); ok {
		c.line = line
		return []comparison{c}, nil
	}
	rest, ok := strings.CutPrefix(s, "assert")
	if !ok || rest == "" || isNameByte(rest[0]) {
		return nil, errorf(line, "the code %q", shorten(s))
	}
	rest, _, _ = strings.Cut(rest, ",") // without the message
	rest = strings.TrimSpace(rest)
	if strings.HasPrefix(rest, "(") && strings.HasSuffix(rest, ")") && strings.Count(rest, "(") == 1 {
		rest = rest[1 : len(rest)-1]
	}
	var list []comparison
	for part := range strings.SplitSeq(rest, " and ") {
		chain := parseComparisons(part, known)
		if len(chain) == 0 {
			return nil, errorf(line, "the code %q", shorten(s))
		}
		for _, c := range chain {
			c.line = line
			list = append(list, c)
		}
	}
	return list, nil
}

// parseAssignment parses "name = value" or "name += value", and adds the name to the known ones.
func parseAssignment(s string, known *scriptVariables) (c comparison, ok bool) {
	name, text, found := strings.Cut(s, "=")
	if !found || strings.HasPrefix(text, "=") {
		return c, false
	}
	c.operator = "="
	if before, added := strings.CutSuffix(name, "+"); added {
		name, c.operator = before, "+="
	}
	name = strings.TrimSpace(name)
	if name == "" || !isLetter(name[0]) || spanOf(name, isNameByte) < len(name) {
		return c, false
	}
	c.left = operand{name: name}
	if c.right, ok = parseOperand(text, known); ok {
		known.set(name, 0)
	}
	return c, ok
}

// parseComparisons parses "A == B", or a chain: "A <= B < C" means "A <= B and B < C". It returns nil for other text.
func parseComparisons(s string, known *scriptVariables) (list []comparison) {
	left, ok := operand{}, false
	for operator := ""; ; {
		at, next := firstOperator(s)
		text := s
		if at >= 0 {
			text = s[:at]
		}
		right, valid := parseOperand(text, known)
		if !valid {
			return nil
		}
		if ok {
			list = append(list, comparison{left: left, right: right, operator: operator})
		}
		if at < 0 {
			return list
		}
		left, ok, operator = right, true, next
		s = s[at+len(next):]
	}
}

// firstOperator returns the offset of the first operator in s, or -1.
func firstOperator(s string) (at int, operator string) {
	at = -1
	for _, o := range operators { // longer ones first
		if i := strings.Index(s, o); i >= 0 && (at < 0 || i < at) {
			at, operator = i, o
		}
	}
	return at, operator
}

// constants maps the names of Linux's constants to their values.
var constants = []struct {
	name  string
	value int64
}{
	{"TCP_ESTABLISHED", 1}, {"TCP_SYN_SENT", 2}, {"TCP_SYN_RECV", 3}, {"TCP_FIN_WAIT1", 4}, {"TCP_FIN_WAIT2", 5},
	{"TCP_TIME_WAIT", 6}, {"TCP_CLOSE", 7}, {"TCP_CLOSE_WAIT", 8}, {"TCP_LAST_ACK", 9}, {"TCP_LISTEN", 10},
	{"TCP_CLOSING", 11}, {"TCP_CA_Open", 0}, {"TCP_CA_Disorder", 1}, {"TCP_CA_CWR", 2}, {"TCP_CA_Recovery", 3},
	{"TCP_CA_Loss", 4}, {"TCPI_OPT_TIMESTAMPS", 1}, {"TCPI_OPT_SACK", 2}, {"TCPI_OPT_WSCALE", 4},
	{"TCPI_OPT_ECN", 8}, {"TCPI_OPT_SYN_DATA", 32},
}

// parseOperand parses a number, a constant, a variable, or bits of a variable: "(A & B)".
func parseOperand(s string, known *scriptVariables) (operand, bool) {
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(s, "("); ok && strings.HasSuffix(inner, ")") {
		left, right, ok := strings.Cut(strings.TrimSuffix(inner, ")"), "&")
		bits, valid := parseOperand(right, &scriptVariables{})
		o, known := parseOperand(left, known)
		o.mask = bits.number
		return o, ok && known && valid && o.name != "" && bits.name == "" && bits.number > 0
	}
	if n, ok := parseNumber(s); ok && n < 1<<62 {
		return operand{number: int64(n)}, true
	}
	for _, c := range constants {
		if c.name == s {
			return operand{number: c.value}, true
		}
	}
	for _, v := range variables {
		if v.name == s {
			return operand{name: s}, true
		}
	}
	if _, ok := known.get(s); ok {
		return operand{name: s}, true
	}
	return operand{}, false
}

// variables are the members of Linux's struct tcp_info that package conn has as well. Windows that Linux counts in
// segments are divided by the MSS.
var variables = []struct {
	name string
	of   func(i *conn.Info) int64
}{
	{"tcpi_state", nil}, // see valueOf
	{"tcpi_ca_state", func(i *conn.Info) int64 { return int64(i.CAState) }},
	{"tcpi_retransmits", func(i *conn.Info) int64 { return int64(i.ConsecutiveTimeouts) }},
	{"tcpi_probes", func(i *conn.Info) int64 { return int64(i.KeepAliveProbes) }},
	{"tcpi_backoff", func(i *conn.Info) int64 { return int64(i.Backoff) }},
	{"tcpi_options", infoOptions},
	{"tcpi_snd_wscale", func(i *conn.Info) int64 { return int64(i.SendScale) }},
	{"tcpi_rcv_wscale", func(i *conn.Info) int64 { return int64(i.ReceiveScale) }},
	{"tcpi_rto", func(i *conn.Info) int64 { return i.RTO.Microseconds() }},
	{"tcpi_snd_mss", func(i *conn.Info) int64 { return int64(i.MSS) }},
	{"tcpi_advmss", func(i *conn.Info) int64 { return int64(i.AdvertisedMSS) }},
	{"tcpi_unacked", func(i *conn.Info) int64 { return int64(i.Unacked) }},
	{"tcpi_sacked", func(i *conn.Info) int64 { return int64(i.SACKed) }},
	{"tcpi_lost", func(i *conn.Info) int64 { return int64(i.Lost) }},
	{"tcpi_retrans", func(i *conn.Info) int64 { return int64(i.Resending) }},
	{"tcpi_last_data_sent", func(i *conn.Info) int64 { return i.SinceSent.Milliseconds() }},
	{"tcpi_last_data_recv", func(i *conn.Info) int64 { return i.SinceReceived.Milliseconds() }},
	{"tcpi_last_ack_recv", func(i *conn.Info) int64 { return i.SinceACK.Milliseconds() }},
	{"tcpi_pmtu", func(i *conn.Info) int64 { return int64(i.PathMTU) }},
	{"tcpi_rtt", func(i *conn.Info) int64 { return i.RTT.Microseconds() }},
	{"tcpi_rttvar", func(i *conn.Info) int64 { return i.RTTVar.Microseconds() }},
	{"tcpi_min_rtt", func(i *conn.Info) int64 { return i.MinRTT.Microseconds() }},
	{"tcpi_rcv_rtt", func(i *conn.Info) int64 { return i.ReceiveRTT.Microseconds() }},
	{"tcpi_rcv_space", func(i *conn.Info) int64 { return i.ReadPerRoundTrip }},
	{"tcpi_snd_cwnd", func(i *conn.Info) int64 { return inSegments(i, i.CongestionWindow) }},
	{"tcpi_snd_ssthresh", infoThreshold},
	{"tcpi_total_retrans", func(i *conn.Info) int64 { return int64(i.Retransmitted) }},
	{"tcpi_total_rto", func(i *conn.Info) int64 { return int64(i.Timeouts) }},
	{"tcpi_notsent_bytes", func(i *conn.Info) int64 { return int64(i.Unsent) }},
	{"tcpi_bytes_received", func(i *conn.Info) int64 { return int64(i.Received) }},
	{"tcpi_bytes_sent", func(i *conn.Info) int64 { return int64(i.Sent + i.Resent) }},
	{"tcpi_bytes_retrans", func(i *conn.Info) int64 { return int64(i.Resent) }},
	{"tcpi_segs_out", func(i *conn.Info) int64 { return int64(i.SegmentsSent) }},
	{"tcpi_segs_in", func(i *conn.Info) int64 { return int64(i.SegmentsReceived) }},
	{"tcpi_data_segs_out", func(i *conn.Info) int64 { return int64(i.DataSegmentsSent) }},
	{"tcpi_data_segs_in", func(i *conn.Info) int64 { return int64(i.DataSegmentsReceived) }},
	{"tcpi_delivered_ce", func(i *conn.Info) int64 { return int64(i.AccECN.DeliveredCE) }},
	{"tcpi_delivered_e0_bytes", func(i *conn.Info) int64 { return int64(i.AccECN.Delivered.ECT0) }},
	{"tcpi_delivered_e1_bytes", func(i *conn.Info) int64 { return int64(i.AccECN.Delivered.ECT1) }},
	{"tcpi_delivered_ce_bytes", func(i *conn.Info) int64 { return int64(i.AccECN.Delivered.CE) }},
	{"tcpi_received_e0_bytes", func(i *conn.Info) int64 { return int64(i.AccECN.Received.ECT0) }},
	{"tcpi_received_e1_bytes", func(i *conn.Info) int64 { return int64(i.AccECN.Received.ECT1) }},
	{"tcpi_received_ce_bytes", func(i *conn.Info) int64 { return int64(i.AccECN.Received.CE) }},
	{"tcpi_accecn_fail_mode", func(i *conn.Info) int64 { return int64(i.AccECN.Failures) }},
	{"tcpi_received_ce", func(i *conn.Info) int64 { return int64(i.CEReceived) }},
	{"tcpi_dsack_dups", func(i *conn.Info) int64 { return int64(i.Duplicates) }},
	{"tcpi_fastopen_client_fail", func(i *conn.Info) int64 { return int64(i.FastOpenFailure) }},
	{"tcpi_reordering", func(i *conn.Info) int64 { return int64(i.Reordering) }},
	{"tcpi_reord_seen", func(i *conn.Info) int64 { return int64(i.ReorderSeen) }},
	{"tcpi_rcv_ooopack", func(i *conn.Info) int64 { return int64(i.OutOfOrder) }},
	{"tcpi_delivered", nil},
	{"tcpi_busy_time", func(i *conn.Info) int64 { return i.Busy.Microseconds() }},
	{"tcpi_rwnd_limited", func(i *conn.Info) int64 { return i.WindowLimited.Microseconds() }},
	{"tcpi_sndbuf_limited", func(i *conn.Info) int64 { return i.BufferLimited.Microseconds() }},
	{"tcpi_snd_wnd", func(i *conn.Info) int64 { return i.SendWindow }},
	{"tcpi_rcv_wnd", func(i *conn.Info) int64 { return i.ReceiveWindow }},
}

func infoOptions(i *conn.Info) int64 {
	return oneIf(i.Timestamps) | oneIf(i.SACK)<<1 | oneIf(i.SendScale > 0 || i.ReceiveScale > 0)<<2 | oneIf(i.ECN)<<3 |
		oneIf(i.SYNData)<<5
}

func infoThreshold(i *conn.Info) int64 {
	const unset = 1<<31 - 1 // Linux's TCP_INFINITE_SSTHRESH
	return min(inSegments(i, i.SlowStartThreshold), unset)
}

func inSegments(i *conn.Info, n int64) int64 { return n / int64(max(1, i.MSS)) }

// linuxStates are Linux's numbers of the states, in the order of [conn.State].
var linuxStates = [...]int64{
	conn.Closed: 7, conn.Listen: 10, conn.SynSent: 2, conn.SynReceived: 3, conn.Established: 1, conn.FinWait1: 4,
	conn.FinWait2: 5, conn.CloseWait: 8, conn.Closing: 11, conn.LastAck: 9, conn.TimeWait: 6,
}

// valueOf returns the operand's value for the last connection of the flow, open or not.
func (o operand) valueOf(f *flow, now conn.Time, assigned *scriptVariables) int64 {
	if o.mask != 0 {
		return operand{name: o.name}.valueOf(f, now, assigned) & o.mask
	}
	if o.name == "" {
		return o.number
	}
	if n, ok := assigned.get(o.name); ok {
		return n
	}
	if o.name == "tcpi_state" {
		if f == nil {
			return linuxStates[conn.Closed]
		}
		return linuxStates[f.state()]
	}
	var i conn.Info
	if f != nil && f.last != nil {
		i = f.last.Info(now)
	}
	if o.name == "tcpi_delivered" {
		return f.delivered(&i)
	}
	for _, v := range variables {
		if v.name == o.name {
			return v.of(&i)
		}
	}
	return 0
}

// delivered returns the number of segments that have arrived at the peer, with the SYN and its data as one.
func (f *flow) delivered(i *conn.Info) int64 {
	if f == nil || i.State == conn.SynSent || i.State == conn.SynReceived {
		return 0
	}
	n := i.Delivered
	if i.SYNData {
		n = max(0, n-f.synData)
	}
	size := int64(max(1, i.MSS))
	return 1 + (n+size-1)/size
}

func (o operand) String() string {
	switch {
	case o.mask != 0:
		return fmt.Sprintf("(%s & %d)", o.name, o.mask)
	case o.name == "":
		return fmt.Sprint(o.number)
	}
	return o.name
}

// holds reports whether the comparison is true for the values l and r. An assignment sets its variable and holds.
func (c *comparison) holds(l, r int64, assigned *scriptVariables) bool {
	switch c.operator {
	case "=":
		assigned.set(c.left.name, r)
		return true
	case "+=":
		assigned.set(c.left.name, l+r)
		return true
	case "==":
		return l == r
	case "!=":
		return l != r
	case "<=":
		return l <= r
	case ">=":
		return l >= r
	case "<":
		return l < r
	}
	return l > r
}

func (c *comparison) String() string { return fmt.Sprintf("%v %s %v", c.left, c.operator, c.right) }
