//go:build linux

package control

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"minitcp/conn"
)

// Filter selects connections.
type Filter struct {
	states stateSet
	match  predicate // nil matches all
}

// predicate is a part of a filter.
type predicate func(local, remote netip.AddrPort) bool

// stateSet is a set of connection states.
type stateSet uint16

func setOf(states ...conn.State) (set stateSet) {
	for _, s := range states {
		set |= 1 << s
	}
	return set
}

// Sets of states, as of ss(8).
var (
	allStates       = setOf(conn.Closed, conn.Listen) | connectedStates
	connectedStates = setOf(conn.SynSent, conn.SynReceived, conn.Established, conn.FinWait1, conn.FinWait2, conn.CloseWait, conn.Closing, conn.LastAck, conn.TimeWait)
	bucketStates    = setOf(conn.SynReceived, conn.TimeWait)
	defaultStates   = connectedStates &^ bucketStates
)

// stateWords are the words for states and sets of them.
var stateWords = map[string]stateSet{
	"all":          allStates,
	"connected":    connectedStates,
	"synchronized": connectedStates &^ setOf(conn.SynSent),
	"bucket":       bucketStates,
	"big":          connectedStates &^ bucketStates,
	"established":  setOf(conn.Established),
	"estab":        setOf(conn.Established),
	"syn-sent":     setOf(conn.SynSent),
	"syn-recv":     setOf(conn.SynReceived),
	"fin-wait-1":   setOf(conn.FinWait1),
	"fin-wait-2":   setOf(conn.FinWait2),
	"time-wait":    setOf(conn.TimeWait),
	"closed":       setOf(conn.Closed),
	"close-wait":   setOf(conn.CloseWait),
	"last-ack":     setOf(conn.LastAck),
	"listen":       setOf(conn.Listen),
	"listening":    setOf(conn.Listen),
	"closing":      setOf(conn.Closing),
}

// FilterWords returns the words that may follow words of a filter, in alphabetical order, without addresses, ports and
// operators.
func FilterWords(before []string) []string {
	last := ""
	if len(before) > 0 {
		last = before[len(before)-1]
	}
	switch last {
	case "state", "exclude":
		return slices.Sorted(maps.Keys(stateWords))
	case "src", "dst", "sport", "dport":
		return nil
	}
	return []string{"and", "dport", "dst", "exclude", "not", "or", "sport", "src", "state"}
}

// Bounds of a filter.
const (
	maxFilter = 4096 // bytes
	maxNested = 64   // parentheses and negations around a term
)

// ParseFilter parses a filter in the syntax of ss(8):
//
//	state S, exclude S       S is a state (established, syn-sent, …), all, connected, synchronized, bucket or big
//	src HOST, dst HOST       HOST is ADDRESS[/BITS][:PORT], [ADDRESS6]:PORT, :PORT or *
//	sport OP PORT, dport …   OP is =, !=, <, <=, > or >=, or nothing for =; the port may have a colon in front
//	and, or, not, ( )        also &, |, !; "and" may be omitted; "and" and "or" apply from left to right
//
// The parts with states come first. The default is every state if all is true, otherwise the states of connections
// except SYN-RECEIVED and TIME-WAIT.
func ParseFilter(s string, all bool) (*Filter, error) {
	if len(s) > maxFilter {
		return nil, fmt.Errorf("filter: %d bytes; at most %d", len(s), maxFilter)
	}
	p := &parser{words: split(s)}
	f := &Filter{states: defaultStates}
	if all {
		f.states = allStates
	}
	if err := p.states(f); err != nil {
		return nil, err
	}
	if p.at() == "" {
		return f, nil
	}
	var err error
	if f.match, err = p.list(0); err != nil {
		return nil, err
	}
	if p.at() != "" {
		return nil, fmt.Errorf("filter: unexpected %q", p.at())
	}
	return f, nil
}

// Match reports whether a connection is selected.
func (f *Filter) Match(state conn.State, local, remote netip.AddrPort) bool {
	return f.states&(1<<state) != 0 && (f.match == nil || f.match(local, remote))
}

// OneState reports whether the filter selects a single state.
func (f *Filter) OneState() bool { return f.states != 0 && f.states&(f.states-1) == 0 }

// split splits a filter into words and symbols.
func split(s string) (words []string) {
	const symbols = "()&|!=<>"
	for s = strings.TrimLeft(s, " \t\n"); s != ""; s = strings.TrimLeft(s, " \t\n") {
		n := strings.IndexAny(s, symbols+" \t\n")
		switch {
		case n < 0:
			n = len(s)
		case n == 0:
			n = 1
			for len(s) > n && strings.Contains("== != <= >= && ||", s[:n+1]) && strings.ContainsRune("=&|", rune(s[n])) {
				n++
			}
		}
		words = append(words, s[:n])
		s = s[n:]
	}
	return words
}

// parser reads the words of a filter.
type parser struct {
	words []string
}

// at returns the next word, "" at the end.
func (p *parser) at() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

// next returns the next word and advances.
func (p *parser) next() string {
	w := p.at()
	if w != "" {
		p.words = p.words[1:]
	}
	return w
}

// accept advances if the next word is one of the words.
func (p *parser) accept(words ...string) bool {
	if !slices.Contains(words, p.at()) {
		return false
	}
	p.next()
	return true
}

// states parses the parts that select states.
func (p *parser) states(f *Filter) error {
	var chosen, excluded stateSet
	for p.at() == "state" || p.at() == "exclude" {
		to := &chosen
		if p.next() == "exclude" {
			to = &excluded
		}
		set, ok := stateWords[p.at()]
		if !ok {
			return fmt.Errorf("filter: %q is not a state; for instance: state established", p.at())
		}
		p.next()
		*to |= set
	}
	switch {
	case chosen != 0:
		f.states = chosen
	case excluded != 0:
		f.states = allStates
	}
	f.states &^= excluded
	return nil
}

// list parses terms joined by and and or, which have the same precedence, as in ss.
func (p *parser) list(depth int) (predicate, error) {
	left, err := p.term(depth)
	for err == nil && p.at() != "" && p.at() != ")" {
		either := p.accept("or", "|", "||")
		if !either {
			p.accept("and", "&", "&&")
		}
		var right predicate
		if right, err = p.term(depth); err != nil {
			break
		}
		first := left
		if left = func(l, r netip.AddrPort) bool { return first(l, r) && right(l, r) }; either {
			left = func(l, r netip.AddrPort) bool { return first(l, r) || right(l, r) }
		}
	}
	return left, err
}

// term parses a term, a negation or an expression in parentheses.
func (p *parser) term(depth int) (predicate, error) {
	if depth > maxNested {
		return nil, fmt.Errorf("filter: more than %d parentheses and negations around a term", maxNested)
	}
	switch w := p.next(); w {
	case "(":
		inner, err := p.list(depth + 1)
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("filter: missing )")
		}
		return inner, err
	case "not", "!":
		inner, err := p.term(depth + 1)
		return func(l, r netip.AddrPort) bool { return !inner(l, r) }, err
	case "src", "dst":
		p.accept("=", "==", "eq")
		host, err := parseHost(p.next())
		return func(l, r netip.AddrPort) bool { return host.matches(pick(w == "src", l, r)) }, err
	case "sport", "dport":
		compare, err := p.comparison()
		return func(l, r netip.AddrPort) bool { return compare(pick(w == "sport", l, r).Port()) }, err
	case "":
		return nil, fmt.Errorf("filter: ends where src, dst, sport, dport, not or ( must follow")
	case "state", "exclude":
		return nil, fmt.Errorf("filter: %s must be in front of the other parts", w)
	default:
		return nil, fmt.Errorf("filter: %q is not one of src, dst, sport, dport, not and (", w)
	}
}

func pick(first bool, l, r netip.AddrPort) netip.AddrPort {
	if first {
		return l
	}
	return r
}

// comparison parses an operator and a port.
func (p *parser) comparison() (func(uint16) bool, error) {
	op := "="
	switch w := p.at(); w {
	case "=", "==", "eq", "!=", "ne", "neq", "<", "lt", "<=", "le", "leq", ">", "gt", ">=", "ge", "geq":
		op = p.next()
	}
	want, err := parsePort(strings.TrimPrefix(p.next(), ":"))
	if err != nil {
		return nil, err
	}
	switch op {
	case "!=", "ne", "neq":
		return func(n uint16) bool { return n != want }, nil
	case "<", "lt":
		return func(n uint16) bool { return n < want }, nil
	case "<=", "le", "leq":
		return func(n uint16) bool { return n <= want }, nil
	case ">", "gt":
		return func(n uint16) bool { return n > want }, nil
	case ">=", "ge", "geq":
		return func(n uint16) bool { return n >= want }, nil
	}
	return func(n uint16) bool { return n == want }, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("filter: %q is not a port; choose 0 to 65535", s)
	}
	return uint16(n), nil
}

// hostTerm is the argument of src and dst.
type hostTerm struct {
	prefix netip.Prefix // invalid: any address
	port   int          // -1: any
}

// parseHost parses ADDRESS[/BITS][:PORT], [ADDRESS6][/BITS][:PORT], :PORT or *.
func parseHost(s string) (h hostTerm, err error) {
	h.port = -1
	host, port, hasPort := s, "", false
	switch {
	case strings.HasPrefix(s, "["):
		var rest string
		var closed bool
		host, rest, closed = strings.Cut(s[1:], "]")
		if !closed {
			return h, fmt.Errorf("filter: %q: missing ]", s)
		}
		if i := strings.LastIndexByte(rest, ':'); i >= 0 {
			rest, port, hasPort = rest[:i], rest[i+1:], true
		}
		host += rest
	case strings.Count(s, ":") == 1:
		host, port, hasPort = strings.Cut(s, ":")
	}
	if hasPort && port != "*" {
		n, err := parsePort(port)
		if err != nil {
			return h, err
		}
		h.port = int(n)
	}
	if host == "*" || host == "" && hasPort {
		return h, nil
	}
	if !strings.Contains(host, "/") {
		a, err := netip.ParseAddr(host)
		if err == nil && a.Zone() == "" {
			h.prefix = netip.PrefixFrom(a, a.BitLen())
			return h, nil
		}
	} else if h.prefix, err = netip.ParsePrefix(host); err == nil {
		h.prefix = h.prefix.Masked()
		return h, nil
	}
	return h, fmt.Errorf("filter: %q is not an address; for instance: dst 10.0.0.0/8, dst [fd77::1]:80, dst :443", s)
}

func (h hostTerm) matches(a netip.AddrPort) bool {
	return (!h.prefix.IsValid() || h.prefix.Contains(a.Addr())) && (h.port < 0 || int(a.Port()) == h.port)
}
