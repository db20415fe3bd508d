package stack

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"minitcp/conn"
	"minitcp/conn/cookie"
	"minitcp/conn/fastopen"
	"minitcp/stack/internal/addresses"
	"minitcp/stack/internal/cookies"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/frame"
	"minitcp/stack/internal/lists"
	"minitcp/stack/internal/loopback"
	"minitcp/stack/internal/memory"
	"minitcp/stack/internal/paths"
	"minitcp/stack/internal/ports"
	"minitcp/stack/internal/quota"
	"minitcp/stack/internal/ratelimit"
	"minitcp/stack/internal/reassembly"
	"minitcp/stack/internal/table"
	"minitcp/stack/internal/timing"
)

// Stack is a TCP/IP stack on one device: TCP connections and listeners, UDP and ping sockets, and forwarders.
type Stack struct {
	cfg         Config
	device      Device
	offload     bool // the device cuts superframes and fills in checksums
	segmentsUDP bool // the device cuts superframes of UDP, too
	frameLimit  frame.Limit
	mtu         atomic.Int32 // in bytes
	clock       timing.Clock
	addresses   atomic.Pointer[addresses.Set]
	changing    sync.Mutex // held while addresses or the MTU change

	link          *Link     // nil if the device is no Pusher
	queues        []queueIO // those of the device, then loop
	loop          loop
	wheels        []*timing.Wheel[entry] // one for each queue
	table         *table.Table[entry]
	abandoned     abandoned
	near          []netip.Prefix               // prefixes of near peers
	outOfOrder    *memory.OutOfOrder[entry]    // connections that hold data beyond a gap
	stalls        memory.Stalls[entry]         // connections whose peer lets data wait
	quota         *quota.Quota                 // of connections that peers have opened
	timeWaits     lists.Bounded[entry, *entry] // in the order in which they entered TIME-WAIT
	paths         paths.Cache                  // knowledge about the paths to hosts
	dials         atomic.Uint32                // number of active OPENs, to spread them over the queues
	listeners     *ports.Registry[Listener]
	udp           *ports.Registry[UDPConn]
	pings         *ports.Registry[PingConn] // by identifier in place of a port
	forwarder     atomic.Pointer[Forwarder]
	udpForwarder  atomic.Pointer[UDPForwarder]
	pingForwarder atomic.Pointer[PingForwarder]
	resolver      *net.Resolver // nil without Config.Nameservers
	fragments     fragments
	ephemeral     *ports.Ephemeral

	observers  observers
	totals     counters.Totals
	icmpLimit  *ratelimit.Limit
	resetLimit *ratelimit.Limit
	cookies    cookies.Rotating[cookie.Keys, *cookie.Keys]     // keys of SYN cookies
	fastOpen   cookies.Rotating[fastopen.Keys, *fastopen.Keys] // keys of Fast Open's cookies
	openers    openCache
	writers    sync.Pool
	frames     *memory.Frames

	running sync.WaitGroup // goroutines of the queues and of shutWhenDone
	live    atomic.Int64   // number of connections after the handshake and before TIME-WAIT, and of dials
	orphans atomic.Int64   // number of connections that the application has closed and that have not ended
	opening atomic.Int64   // number of handshakes with forwarded addresses in progress
	idle    chan struct{}  // holds a token when live has become 0
	end     end
	// stopping is set when Shutdown begins. No connection or listener is opened after that.
	stopping atomic.Bool
	closing  sync.Once
}

// loop is the queue of packets to the stack's own addresses. Its goroutine starts with the first of them.
type loop struct {
	*loopback.Queue
	number uint8 // number of the queue, the one after those of the device
}

// withoutDevice reports whether the stack reaches its own addresses only.
func (s *Stack) withoutDevice() bool {
	_, without := s.device.(*loopback.NoDevice)
	return without
}

// New starts a stack on a device. The stack closes the device when it ends. If dev is nil, the stack reaches its own
// addresses only. The device's MTU must be at least 576 bytes, and 1280 with an IPv6 address [RFC 8200 5]. After an
// error, the caller closes the device.
func New(dev Device, cfg Config) (*Stack, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if dev == nil {
		dev = loopback.NewNoDevice()
	}
	queues, err := queuesOf(dev)
	if err != nil {
		return nil, err
	}
	near, err := nearPrefixes(dev, &cfg)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		cfg:         cfg,
		near:        near,
		device:      dev,
		offload:     offloads(dev),
		segmentsUDP: segmentsUDP(dev),
		clock:       timing.NewClock(),
		queues:      queues,
		table:       table.New[entry](),
		outOfOrder:  memory.NewOutOfOrder[entry](cfg.Conn.Pool),
		quota:       quota.New(cfg.MaxConnections, cfg.MaxPerHost),
		timeWaits:   lists.Bounded[entry, *entry]{Limit: cfg.MaxTimeWait},
		listeners:   ports.NewRegistry[Listener](),
		udp:         ports.NewRegistry[UDPConn](),
		pings:       ports.NewRegistry[PingConn](),
		ephemeral:   ports.NewEphemeral(cfg.EphemeralPorts[0], cfg.EphemeralPorts[1], cfg.Secret),
		icmpLimit:   ratelimit.New(cfg.ICMPRate),
		resetLimit:  ratelimit.New(10 * cfg.ICMPRate),
		writers:     sync.Pool{New: func() any { return newWriter() }},
		frames:      memory.NewFrames(cfg.Conn.Pool),
		idle:        make(chan struct{}, 1),
		end:         end{done: make(chan struct{})},
	}
	s.cookies.Secret, s.cookies.New = &s.cfg.Secret, cookie.NewKeys
	s.fastOpen.Secret, s.fastOpen.New = &s.cfg.Secret, fastopen.DerivedKeys
	s.fastOpen.Set(fastopen.FixedKeys(cfg.FastOpenKeys...))
	s.frameLimit.Usual, s.frameLimit.Big = frameLimits(dev)
	s.fragments.alarm = timing.NewAlarm(s.expireFragments)
	s.fragments.reassembler.Limit = int(min(cfg.Memory/16, reassembly.MaxMemory))
	s.addresses.Store(addresses.NewSet(slices.Clone(cfg.Addresses)))
	mtu := min(dev.MTU(), frame.MaxPacket)
	if err := checkMTU(mtu, s.own()); err != nil {
		return nil, err
	}
	s.mtu.Store(int32(mtu))
	if cfg.Trace != nil || cfg.Tap != nil {
		s.Observe(Observer{Segment: cfg.Trace, Frame: cfg.Tap})
	}
	s.loop.number = uint8(len(queues))
	s.loop.Queue = loopback.New(s.frames, func() { s.running.Go(newQueue(s, s.loop.number).run) })
	s.queues = append(s.queues, s.loop)
	if len(cfg.Nameservers) > 0 {
		s.resolver = s.Resolver(cfg.Nameservers...)
	}
	s.start()
	return s, nil
}

// start starts the timers and the goroutines of a new stack.
func (s *Stack) start() {
	for range s.queues {
		s.wheels = append(s.wheels, timing.NewWheel(s.clock, s.fire))
	}
	s.link = newLink(s, s.device)
	s.running.Go(s.shutWhenDone)
	if s.link != nil {
		s.link.device.Attach(s.link)
		return
	}
	for i := range s.loop.number {
		s.running.Go(newQueue(s, i).run)
	}
}

// Close resets open connections, makes blocked calls return with [net.ErrClosed], and closes the device. When it
// returns, the stack has no goroutine left. If the device had ended the stack before, Close returns the cause; see
// [Stack.Err].
//
// Close waits for the goroutines that call a [Handler] and the handlers of forwarders. One of those must call it on a
// goroutine of its own.
func (s *Stack) Close() error {
	s.finish(net.ErrClosed)
	s.closing.Do(func() {
		s.running.Wait()
		s.shut() // again, for connections that have begun meanwhile
		for _, w := range s.wheels {
			w.Close()
		}
	})
	if s.end.cause == net.ErrClosed {
		return nil
	}
	return s.end.cause
}

// shut closes listeners, sockets and connections with the stack's cause. None is opened afterwards: connect and listen
// call refusal when they have registered theirs.
func (s *Stack) shut() {
	s.abandoned.close()
	for _, l := range s.listeners.All() {
		l.close(s.end.cause)
	}
	for _, c := range s.udp.All() {
		c.close(s.end.cause)
	}
	for _, c := range s.pings.All() {
		c.close(s.end.cause)
	}
	if f := s.udpForwarder.Load(); f != nil {
		f.end(s.end.cause)
	}
	s.fragments.close()
	w := s.borrowWriter()
	defer s.returnWriter(w)
	for e := range s.table.All() {
		e.mu.Lock()
		c := e.served
		if u := e.user; u != nil {
			u.cut = true
			u.stop()
			e.detach()
		}
		if tcp, ok := e.tcp.(*conn.Conn); ok {
			tcp.Abort()
			s.flush(e, w)
		}
		s.remove(e)
		e.mu.Unlock()
		c.serve()
	}
}

// Shutdown closes the listeners, makes Dial and Listen fail with [net.ErrClosed], and closes every connection with a
// FIN (see [Conn.Close]). It waits until all connections have ended or are in TIME-WAIT, or ctx ends. Then it closes
// the stack. If ctx ends first, Shutdown returns its error.
//
// Calls on a connection fail from the beginning of Shutdown on. An application that must complete its exchanges does so
// before.
func (s *Stack) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.abandoned.close()
	for _, l := range s.listeners.All() {
		l.Close()
	}
	w := s.borrowWriter()
	defer s.returnWriter(w)
	for e := range s.table.All() {
		e.mu.Lock()
		c := e.served
		if u := e.user; u != nil {
			u.stop()
			e.detach()
			e.tcp.(*conn.Conn).Close(s.clock.Now(), u.linger)
			s.flush(e, w)
			s.orphaned(e)
		}
		e.mu.Unlock()
		c.serve()
	}
	var err error
	for s.live.Load() > 0 && err == nil {
		select {
		case <-s.idle:
		case <-s.end.done:
			return s.Close()
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	return err
}
