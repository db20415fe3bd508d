//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"minitcp/cmd/minitcp/internal/control"
	"minitcp/conn"
	"minitcp/stack"
)

// serveOptions holds the flags of serve.
type serveOptions struct {
	device deviceFlags
	listen listenList
	upload uploadFlags
	memory memoryFlag
	limits connectionFlags
	// fastOpen is the limit of connections with data in the SYN, 0 for none.
	fastOpen int
	trace    traceFlag
	api      apiFlag
	log      logFlags
	config   configFlags
}

func newServeCommand() *cobra.Command {
	o := &serveOptions{listen: newListenList()}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a daemon with services on minitcp",
		Long: `Serve creates a TUN device with minitcp on it and offers services there until it receives SIGINT or SIGTERM:

  echo       returns the data it receives (RFC 862)
  discard    discards the data it receives (RFC 863)
  daytime    sends the date and time (RFC 867)
  chargen    sends an endless stream of characters (RFC 864)
  http       serves a page about the connection that carries it
  files:DIR  serves the files of a directory over HTTP, without names that begin with a dot; read-only unless
             --upload allows uploads: curl -T FILE http://10.77.0.2:PORT/

On SIGINT or SIGTERM, serve gives connections up to 5 seconds to finish; a second signal ends it at once. Without root,
serve runs in a private network namespace and prints how to enter it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPrivilege(func() error {
				if err := o.device.checkNetNS(); err != nil {
					return err
				}
				return o.run(stdio{cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()})
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(&o.listen, "listen", "port and its service; may be repeated, or a list separated by commas")
	o.upload.register(flags)
	o.memory.register(flags)
	o.limits.register(flags, "open connections; SYNs beyond it get no reply; 0: no limit")
	flags.IntVar(&o.fastOpen, "fast-open", 0, "accept data in SYNs (TCP Fast Open) while fewer than `NUMBER` connections wait for the end of their handshake; a request may then arrive twice; 0: never")
	o.device.register(flags)
	o.trace.register(flags)
	o.api.register(flags)
	o.log.register(flags)
	o.config.add(cmd, o.check)
	return cmd
}

const (
	// maxFastOpen is the largest argument of --fast-open.
	maxFastOpen = 65535
	// shutdownTimeout is the time that connections have to finish after the first signal. The services have the first
	// serviceTimeout of it to end their connections; the rest is for the exchange of FINs.
	shutdownTimeout = 5 * time.Second
	serviceTimeout  = 3 * time.Second
)

// check completes the flags after parsing and returns an error for those that contradict each other.
func (o *serveOptions) check() error {
	if err := o.upload.check(&o.listen); err != nil {
		return err
	}
	if err := cmp.Or(o.memory.check(), o.limits.check(0)); err != nil {
		return err
	}
	if o.fastOpen < 0 || o.fastOpen > maxFastOpen {
		return usagef("--fast-open %d: out of range; choose from 0 to %d", o.fastOpen, maxFastOpen)
	}
	return o.device.check()
}

func (o *serveOptions) run(std stdio) (err error) {
	log := o.log.logger(std.err)
	stop, release := onSignals()
	defer release()

	trace, err := o.trace.open(std.out, std.err)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, trace.close()) }()
	cfg := stack.Config{Trace: trace.event(), MaxConnections: o.limits.most, MaxPerHost: o.limits.perHost}
	o.memory.apply(&cfg)
	n, err := o.device.open(cfg, std.err)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, n.close())
		o.device.link.summary(std.err)
	}()
	monitor, err := o.api.open(n.stack, control.Options{Command: "serve", Device: n.device.Name(), Log: log, Finished: log})
	if err != nil {
		return err
	}
	defer monitor.Close()
	unfollow, err := n.followMTU(&o.device, log)
	if err != nil {
		return err
	}
	defer unfollow()
	s, err := o.offer(n.stack, monitor, log)
	if err != nil {
		return err
	}
	defer s.close()
	if err := o.device.confine(o.capabilities()...); err != nil {
		return err
	}
	defer startReleasing()()
	for _, a := range o.device.unreachable() {
		log.Warn("no --host-address is on this address's network; the host needs a route to it", "address", a.String(),
			"try", o.device.prefix()+"ip route add "+a.String()+" dev "+n.device.Name())
	}
	o.printHints(std.out, n.device.Name())
	log.Info("serving", "device", n.device.Name(), "address", o.device.address.String(), "listen", o.listen.String())
	notify(daemon.SdNotifyReady, log)
	return s.untilStopped(n.stack, stop, log)
}

// untilStopped serves until a signal arrives or the stack fails, and ends the connections.
func (s *services) untilStopped(on *stack.Stack, stop stopping, log *slog.Logger) error {
	select {
	case <-stop.soon.Done():
	case <-on.Done():
		return on.Err()
	case err := <-s.failed:
		if cause := on.Err(); cause != nil {
			return cause
		}
		return err
	}
	notify(daemon.SdNotifyStopping, log)
	log.Info("stopping", "connections", active(on))
	ctx, cancel := context.WithTimeout(stop.now, shutdownTimeout)
	defer cancel()
	s.shutdown(ctx)
	return shutdownError(on.Shutdown(ctx), log)
}

// shutdownError returns the error of a daemon from that of its orderly end. Connections that were reset because they
// did not finish in time are a warning.
func shutdownError(err error, log *slog.Logger) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		log.Warn("some connections did not finish in time and were reset")
		return nil
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted by a second signal; open connections were reset")
	}
	return err
}

// active returns the number of connections that are not in TIME-WAIT.
func active(s *stack.Stack) int {
	n := 0
	for _, c := range s.Connections() {
		if c.State != conn.TimeWait {
			n++
		}
	}
	return n
}

// services holds the running servers.
type services struct {
	monitor *control.Monitor
	servers []server
	closers []func() error

	stopping atomic.Bool
	failed   chan error // the error of a listener that ended before shutdown
}

// offer starts the services. If it fails, the services already started end with the stack.
func (o *serveOptions) offer(s *stack.Stack, monitor *control.Monitor, log *slog.Logger) (*services, error) {
	all := &services{monitor: monitor, failed: make(chan error, 1)}
	var listeners []*stack.Listener
	for _, spec := range o.listen.list {
		l, err := s.ListenTCP("tcp", ":"+strconv.Itoa(int(spec.port)))
		if err == nil {
			err = l.SetFastOpen(o.fastOpen)
		}
		if err == nil {
			err = all.add(spec, o.upload, log.With("service", spec.service, "port", spec.port))
		}
		if err != nil {
			all.close()
			return nil, err
		}
		listeners = append(listeners, l)
	}
	for i, server := range all.servers {
		go func() {
			if err := server.serve(listeners[i]); !all.stopping.Load() {
				all.fail(s, err)
			}
		}()
	}
	return all, nil
}

func (a *services) add(spec listenSpec, upload uploadFlags, log *slog.Logger) error {
	switch spec.service {
	case httpService:
		a.servers = append(a.servers, newWebServer(connPage(a.monitor), log))
	case filesService:
		h, err := newFileHandler(spec.dir, upload, log)
		if err != nil {
			return err
		}
		a.closers = append(a.closers, h.close)
		a.servers = append(a.servers, newWebServer(h, log))
	default:
		a.servers = append(a.servers, newStreamServer(streams[spec.service], log))
	}
	return nil
}

// fail reports the error of a listener that ended before shutdown.
func (a *services) fail(s *stack.Stack, err error) {
	if cause := s.Close(); cause != nil { // the device failed, which closed the listeners
		err = cause
	}
	select {
	case a.failed <- err:
	default:
	}
}

// shutdown gives every service up to serviceTimeout to finish.
func (a *services) shutdown(ctx context.Context) {
	a.stopping.Store(true)
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range a.servers {
		all.Go(func() { s.shutdown(ctx) })
	}
	all.Wait()
}

func (a *services) close() {
	for _, c := range a.closers {
		c()
	}
}
